// Settings for tests, made the way they are always made.

import { resolveGeneration, type GenerationLimits } from "../generation-config.ts";
import type { ValidGeneration } from "../valid-generation.ts";
import { byteTokenCount, byteTokenIds } from "./byte-tokenizer.ts";

/** Resolves wire parameters for the byte tokenizer and the fake model; throws where they are refused. */
export function validGeneration(
  parameters: Readonly<Record<string, unknown>>,
  promptTokenCount: number,
  limits: Partial<GenerationLimits> = {},
): ValidGeneration {
  const resolved = resolveGeneration({
    parameters,
    modelConfig: {},
    promptTokenCount,
    lastPromptId: byteTokenIds.bos,
    limits: {
      contextLength: 256,
      vocabSize: byteTokenCount,
      maxSequenceCount: 8,
      cellCount: 1_000_000,
      ...limits,
    },
    endOfGenerationIds: [byteTokenIds.eos],
  });
  if (resolved.kind === "valid") return resolved.generation;
  throw new TypeError(resolved.errors.map(({ message }) => message).join(" "));
}
