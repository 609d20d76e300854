// One prompt of a call → a generation that may be submitted, or every reason why not.

import { isServingError, type FieldError } from "@corral/contract";
import { resolveGeneration, type EffectiveParameters, type ValidGeneration } from "@corral/engine";
import type { DialectContext, GenerationParameters, PredictCall } from "./dialects/dialect.ts";
import { cutLongPrompt, longestCutPrompt } from "./long-prompt.ts";
import { withoutPadding, type UnpaddedPrompt } from "./padding.ts";
import { preparePrompt, type PreparedPrompt, type PromptModel, type PromptSource } from "./prompt.ts";

export interface PreparedGeneration {
  readonly prompt: PreparedPrompt;
  /** What of the prompt is computed: all but padding. */
  readonly promptIds: readonly number[];
  /** Resolved for the number of `promptIds`. */
  readonly generation: ValidGeneration;
  /** Where the call explains. */
  readonly effectiveParameters?: EffectiveParameters;
  /** What each parameter came to. */
  readonly explain: () => EffectiveParameters;
}

export interface PreparedOne {
  /** Null where there are errors. */
  readonly prepared: PreparedGeneration | null;
  readonly errors: readonly FieldError[];
  readonly warnings: readonly string[];
}

/** The parameters that a call's negative prompt makes, the same for all of its prompts. */
export function readNegativePrompt(
  model: PromptModel,
  { negativePrompt = null }: PredictCall,
  errors: FieldError[],
): Readonly<Record<string, unknown>> {
  if (negativePrompt === null) return {};
  const negative = orNoted(errors, () => preparePrompt(model, negativePrompt));
  return negative === null ? {} : { negative_prompt_ids: negative.ids };
}

/**
 * Without a prompt (null) the parameters are checked all the same, as if it were empty. `more` are further parameters.
 */
export function prepareGeneration(
  model: PromptModel,
  call: PredictCall,
  source: PromptSource | null,
  context: DialectContext,
  more: Readonly<Record<string, unknown>>,
): PreparedOne {
  const errors: FieldError[] = [];
  const prompt = source === null ? null : orNoted(errors, () => readPrompt(model, call, source));
  const parameters = parametersOf(call, prompt);
  errors.push(...parameters.errors);
  const promptTokenCount = prompt?.ids.length ?? 0;
  const resolved = resolveGeneration({
    parameters: { ...parameters.parameters, ...more },
    modelConfig: parameters.modelConfig,
    promptTokenCount,
    lastPromptId: prompt?.ids.at(-1),
    limits: {
      contextLength: model.contextLength,
      vocabSize: model.vocabulary.tokenCount,
      maxSequenceCount: context.maxSequenceCount,
      cellCount: context.cellCount,
      ...(context.caps === undefined ? {} : { caps: context.caps }),
      draftModels: context.draftModels ?? [],
      adapters: context.adapters ?? [],
    },
    endOfGenerationIds: model.vocabulary.endOfGenerationIds,
  });
  if (resolved.kind === "refused") {
    const lengthIsRefused = parameters.errors.some(({ code }) => code === "prompt_too_long");
    const others = resolved.errors.filter(({ code }) => !(lengthIsRefused && code === "prompt_too_long"));
    errors.push(...others);
    return { prepared: null, errors, warnings: [] };
  }
  if (prompt === null || errors.length > 0) return { prepared: null, errors, warnings: [] };
  const unpadded = orNoted<UnpaddedPrompt>(errors, () => withoutPadding(prompt, resolved.generation));
  if (unpadded === null) return { prepared: null, errors, warnings: [] };
  const { promptIds, generation } = unpadded;
  return {
    prepared: {
      prompt,
      promptIds,
      generation,
      explain: () => resolved.explain(),
      ...(call.explains === true ? { effectiveParameters: resolved.explain() } : {}),
    },
    errors,
    warnings: [
      ...prompt.warnings,
      ...parameters.warnings,
      ...resolved.warnings,
      ...unpadded.warnings,
      ...withoutLeftOut(generation, context),
    ],
  };
}

function withoutLeftOut(
  { draftModel }: ValidGeneration,
  { leftOutDraftModels = [] }: DialectContext,
): readonly string[] {
  if (draftModel === null || !leftOutDraftModels.includes(draftModel.name)) return [];
  const name = JSON.stringify(draftModel.name);
  return [
    `\`assistant_model\` (${name}) has no effect as that draft model did not fit in memory beside the model.`,
  ];
}

function parametersOf(call: PredictCall, prompt: PreparedPrompt | null): GenerationParameters {
  return call.generationFor(prompt?.ids.length ?? 0, prompt?.prefixTokenCount ?? 0);
}

function readPrompt(model: PromptModel, call: PredictCall, source: PromptSource): PreparedPrompt {
  if (call.cutsLongPrompts !== true) return preparePrompt(model, source);
  const roomy = { ...model, contextLength: model.contextLength * longestCutPrompt };
  const prompt = preparePrompt(roomy, source);
  return cutLongPrompt(prompt, parametersOf(call, prompt), model.contextLength);
}

/** Null where what was done failed because of a field; that is noted then. */
function orNoted<Value>(errors: FieldError[], act: () => Value): Value | null {
  try {
    return act();
  } catch (error) {
    if (!isServingError(error) || error.errors.length === 0) throw error;
    errors.push(...error.errors);
    return null;
  }
}
