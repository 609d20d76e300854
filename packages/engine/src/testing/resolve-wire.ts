// Wire parameters through the engine's rules, for tests: a prompt of ten tokens, a vocabulary of a thousand.

import type { FieldError } from "@corral/contract";
import assert from "node:assert/strict";
import {
  resolveGeneration,
  type GenerationRefusal,
  type ResolvedGeneration,
  type ResolveGenerationInput,
} from "../generation-config.ts";
import type { ValidGeneration } from "../valid-generation.ts";

export type WireValues = Readonly<Record<string, unknown>>;

export function resolveWire(
  parameters: WireValues,
  modelConfig: WireValues = {},
  overrides: Partial<ResolveGenerationInput> = {},
): ResolvedGeneration | GenerationRefusal {
  return resolveGeneration({
    parameters,
    modelConfig,
    promptTokenCount: 10,
    lastPromptId: 9,
    limits: { contextLength: 100, vocabSize: 1000, maxSequenceCount: 8, cellCount: 500 },
    endOfGenerationIds: [2],
    ...overrides,
  });
}

type Input = Parameters<typeof resolveWire>;

/** Fails where the parameters are refused. */
export function resolved(...input: Input): ResolvedGeneration {
  const outcome = resolveWire(...input);
  assert.ok(outcome.kind === "valid", JSON.stringify(outcome));
  return outcome;
}

export function settingsOf(...input: Input): ValidGeneration {
  return resolved(...input).generation;
}

export function warningsOf(...input: Input): string {
  return resolved(...input).warnings.join("\n");
}

/** Fails where the parameters are accepted. */
export function refusals(...input: Input): readonly FieldError[] {
  const outcome = resolveWire(...input);
  assert.ok(outcome.kind === "refused", JSON.stringify(outcome));
  return outcome.errors;
}
