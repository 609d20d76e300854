// A body and its dialect → generations that may be submitted, or every reason why not. Touches no engine loop and
// no response.

import { fieldsError, isServingError, type Dialect, type FieldError } from "@corral/contract";
import { resolveGeneration, type ValidGeneration } from "@corral/engine";
import { readBaseten } from "./dialects/baseten.ts";
import { readCerebrium } from "./dialects/cerebrium.ts";
import { readCorral } from "./dialects/corral.ts";
import type { DialectContext, PredictCall, ReadDialect } from "./dialects/dialect.ts";
import { preparePrompt, type PreparedPrompt, type PromptModel, type PromptSource } from "./prompt.ts";

const readers: Readonly<Record<Dialect, ReadDialect>> = {
  corral: readCorral,
  baseten: readBaseten,
  cerebrium: readCerebrium,
};

export interface PreparedCall {
  readonly call: PredictCall;
  /** One for each source of the call, in their order. */
  readonly prompts: readonly [PreparedGeneration, ...PreparedGeneration[]];
  readonly warnings: readonly string[];
}

export interface PreparedGeneration {
  readonly prompt: PreparedPrompt;
  readonly generation: ValidGeneration;
}

/** Fails with the error that lists all bad fields of the body. */
export function prepareCall(
  model: PromptModel,
  dialect: Dialect,
  body: Readonly<Record<string, unknown>>,
  context: DialectContext,
): PreparedCall {
  const call = readers[dialect](body, context);
  // Without a prompt the other parameters are checked all the same, as if it were empty.
  const sources = call.sources ?? [null];
  const areSeveral = sources.length > 1;
  const read = sources.map((source) => prepareOne(model, call, source, context));
  const errors = [
    ...call.errors,
    ...read.flatMap((one, index) => (areSeveral ? located(one.errors, sources[index] ?? null) : one.errors)),
  ];
  const prompts = read.flatMap(({ prepared }) => prepared ?? []);
  const [first, ...others] = prompts;
  if (first === undefined || prompts.length < read.length || errors.length > 0) {
    throw fieldsError(withoutRepetitions(errors));
  }
  const warnings = [...call.warnings, ...mergeWarnings(read.map((one) => one.warnings))];
  return { call, prompts: [first, ...others], warnings };
}

interface PreparedOne {
  /** Null where there are errors. */
  readonly prepared: PreparedGeneration | null;
  readonly errors: readonly FieldError[];
  readonly warnings: readonly string[];
}

function prepareOne(
  model: PromptModel,
  call: PredictCall,
  source: PromptSource | null,
  context: DialectContext,
): PreparedOne {
  const errors: FieldError[] = [];
  const prompt = source === null ? null : tryPrompt(model, source, errors);
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
    return { prepared: null, errors, warnings: [] };
  }
  if (prompt === null || errors.length > 0) return { prepared: null, errors, warnings: [] };
  const warnings = [...prompt.warnings, ...parameters.warnings, ...resolved.warnings];
  return { prepared: { prompt, generation: resolved.generation }, errors, warnings };
}

function tryPrompt(model: PromptModel, source: PromptSource, errors: FieldError[]): PreparedPrompt | null {
  try {
    return preparePrompt(model, source);
  } catch (error) {
    if (!isServingError(error) || error.errors.length === 0) throw error;
    errors.push(...error.errors);
    return null;
  }
}

/** What is wrong with a prompt, and not with any field of the body, is where the prompt stands. */
function located(errors: readonly FieldError[], source: PromptSource | null): FieldError[] {
  const pointer = source?.pointer ?? "";
  return errors.map((error) => (error.pointer === "" ? { ...error, pointer } : error));
}

/** A parameter is as wrong for one prompt as for another. */
function withoutRepetitions(errors: readonly FieldError[]): FieldError[] {
  const known = new Map(errors.map((error) => [JSON.stringify(error), error]));
  return [...known.values()].slice(0, mostErrors);
}

const mostErrors = 100;

/** What all prompts are warned of once, the rest with the index of its prompt. */
function mergeWarnings(warnings: readonly (readonly string[])[]): string[] {
  const [first = [], ...others] = warnings;
  if (others.length === 0) return [...first];
  const common = first.filter((warning) => others.every((list) => list.includes(warning)));
  const own = warnings.flatMap((list, index) =>
    list.filter((warning) => !common.includes(warning)).map((warning) => `Prompt ${index}: ${warning}`),
  );
  return [...common, ...own];
}
