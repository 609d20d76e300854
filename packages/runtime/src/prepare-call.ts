// A body and its dialect → a generation that may be submitted, or every reason why not. Touches no engine loop and
// no response.

import { fieldsError, isServingError, type FieldError } from "@corral/contract";
import { resolveGeneration, type ValidGeneration } from "@corral/engine";
import type { Dialect } from "@corral/contract";
import { readBaseten } from "./dialects/baseten.ts";
import { readCerebrium } from "./dialects/cerebrium.ts";
import { readCorral } from "./dialects/corral.ts";
import type { DialectContext, PredictCall, ReadDialect } from "./dialects/dialect.ts";
import { preparePrompt, type PreparedPrompt, type PromptModel } from "./prompt.ts";

const readers: Readonly<Record<Dialect, ReadDialect>> = {
  corral: readCorral,
  baseten: readBaseten,
  cerebrium: readCerebrium,
};

export interface PreparedCall {
  readonly call: PredictCall;
  readonly prompt: PreparedPrompt;
  readonly generation: ValidGeneration;
  readonly warnings: readonly string[];
}

/** Fails with the error that lists all bad fields of the body. */
export function prepareCall(
  model: PromptModel,
  dialect: Dialect,
  body: Readonly<Record<string, unknown>>,
  context: DialectContext,
): PreparedCall {
  const call = readers[dialect](body, context);
  const errors: FieldError[] = [...call.errors];
  const prompt = tryPrompt(model, call, errors);
  // Without a prompt the other parameters are checked all the same, as if it were empty.
  const promptTokenCount = prompt?.ids.length ?? 0;
  const parameters = call.generationFor(promptTokenCount);
  errors.push(...parameters.errors);
  const resolved = resolveGeneration({
    parameters: parameters.parameters,
    modelConfig: parameters.modelConfig,
    promptTokenCount,
    limits: {
      contextLength: model.contextLength,
      vocabSize: model.vocabulary.tokenCount,
      maxSequenceCount: context.maxSequenceCount,
      cellCount: context.cellCount,
    },
    endOfGenerationIds: model.vocabulary.endOfGenerationIds,
  });
  if (resolved.kind === "refused") {
    const lengthIsRefused = parameters.errors.some(({ code }) => code === "prompt_too_long");
    errors.push(...resolved.errors.filter(({ code }) => !(lengthIsRefused && code === "prompt_too_long")));
  }
  if (prompt === null || resolved.kind === "refused" || errors.length > 0) throw fieldsError(errors);
  const warnings = [...call.warnings, ...prompt.warnings, ...parameters.warnings, ...resolved.warnings];
  return { call, prompt, generation: resolved.generation, warnings };
}

function tryPrompt(model: PromptModel, { source }: PredictCall, errors: FieldError[]): PreparedPrompt | null {
  if (source === null) return null;
  try {
    return preparePrompt(model, source);
  } catch (error) {
    if (!isServingError(error) || error.errors.length === 0) throw error;
    errors.push(...error.errors);
    return null;
  }
}
