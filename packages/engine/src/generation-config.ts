// Wire parameters of `generate` → `ValidGeneration`, or a refusal that lists every bad field.
// The only file of the engine that knows Hugging Face's spelling and its precedence, with those of its folder.
// Source: transformers 5.23.0, generation/configuration_utils.py and utils.py.

import {
  checkGenerationRanges,
  defaultCaps,
  type FieldError,
  type GenerationCaps,
  type ParameterValue,
} from "@corral/contract";
import { adapterOf, checkAdapter } from "./generation-config/adapter.ts";
import { beamSettings, checkLengthPenalty } from "./generation-config/beam-settings.ts";
import { checkCells, checkCosts, checkGuidance } from "./generation-config/costs.ts";
import { checkDraftModel, draftModelSettings } from "./generation-config/draft-model-settings.ts";
import { effectiveParameters, type EffectiveParameters } from "./generation-config/effective-parameters.ts";
import { inertWarnings } from "./generation-config/inert-warnings.ts";
import { resolveLength, type LengthResult } from "./generation-config/lengths.ts";
import { parameterValues, type ParameterValues } from "./generation-config/parameter-values.ts";
import { processorSettings } from "./generation-config/processor-settings.ts";
import { placeOfSource, readParameters, type Parameter } from "./generation-config/read-parameters.ts";
import { warperSettings } from "./generation-config/warper-settings.ts";
import type {
  BeamSettings,
  GenerationSettings,
  ReturnedSettings,
  ValidGeneration,
} from "./valid-generation.ts";

export interface GenerationLimits {
  /** Most tokens of one sequence, prompt included. */
  readonly contextLength: number;
  readonly vocabSize: number;
  /** Most sequences of one generation. */
  readonly maxSequenceCount: number;
  /** Cells that all sequences of one generation may take together. */
  readonly cellCount: number;
  /** Draft models by name; default: there are none. */
  readonly draftModels?: readonly string[];
  /** Adapters by name; default: there are none. */
  readonly adapters?: readonly string[];
  /** What a call may cost. Default: `defaultCaps`. */
  readonly caps?: GenerationCaps;
}

export interface ResolveGenerationInput {
  /** The caller's values by their Hugging Face names, parsed from JSON. A null is a value: it overrides the model. */
  readonly parameters: Readonly<Record<string, unknown>>;
  /** The model's generation_config.json, its catalogue defaults merged in. A null there is as good as absent. */
  readonly modelConfig: Readonly<Record<string, unknown>>;
  readonly promptTokenCount: number;
  /** The prompt's last id, from which a context without guidance begins; absent: `guidance_scale` needs a negative prompt. */
  readonly lastPromptId?: number | undefined;
  readonly limits: GenerationLimits;
  /** Ids the vocabulary marks as end of generation: used where neither caller nor model names an eos_token_id. */
  readonly endOfGenerationIds: readonly number[];
}

export interface ResolvedGeneration {
  readonly kind: "valid";
  readonly generation: ValidGeneration;
  /** Whole sentences for the caller, in the order of the rules. */
  readonly warnings: readonly string[];
  /** What each parameter came to, and who set it. */
  explain(): EffectiveParameters;
}

export interface GenerationRefusal {
  readonly kind: "refused";
  /** At least one; `fieldsError(errors)` makes the exception of them. */
  readonly errors: readonly FieldError[];
}

/**
 * Caller over its `generation_config` over model over Hugging Face's global defaults. Unknown names, fields that are
 * not implemented, wrong kinds, ranges, conflicts and lengths are all refused together. Range errors of warpers count
 * only when sampling, as in Hugging Face.
 */
export function resolveGeneration(input: ResolveGenerationInput): ResolvedGeneration | GenerationRefusal {
  const { promptTokenCount, limits, lastPromptId } = input;
  const read = readParameters(input.parameters, input.modelConfig);
  const values = parameterValues(read.of);
  const placeOf = (name: string) => placeOfSource(name, read.of(name).source);
  const endTokenIds = resolveEndTokens(read.of("eos_token_id"), input.endOfGenerationIds);
  const doSample = values.isTrue("do_sample");
  const { vocabSize, maxSequenceCount, caps = defaultCaps } = limits;

  function checkedValue(name: string): ParameterValue {
    if (name === "eos_token_id") return endTokenIds;
    const { value, source } = read.of(name);
    // It is never used, so a model's may be any.
    return name === "bos_token_id" && source === "model" ? null : value;
  }
  const context = { endTokenIds, vocabSize, lastPromptId: lastPromptId ?? null, promptTokenCount };
  const errors: FieldError[] = [
    ...read.errors,
    ...checkGenerationRanges(checkedValue, { doSample, maxSequenceCount, vocabSize, caps }, placeOf),
    ...checkDecay(values, endTokenIds),
    ...checkDraftModel(values, limits.draftModels ?? [], placeOf),
    ...checkAdapter(values, limits.adapters ?? [], placeOf),
  ];
  const length = lengthsAreSound(errors) ? lengthOf(values, promptTokenCount, limits.contextLength) : null;
  if (length?.kind === "refused") errors.push(length.error);
  if (errors.length > 0 || length?.kind !== "resolved") return { kind: "refused", errors };

  const processors = processorSettings(values, context);
  const beams = beamSettings(values);
  const returned = returnedSettings(values, endTokenIds, beams);
  const { lengths } = length;
  errors.push(
    ...checkCells(lengths, { ...returned, beams }, processors.guidance, limits),
    ...checkCosts(lengths, { ...returned, beams }, vocabSize, caps, placeOf),
    ...checkLengthPenalty(lengths, beams, placeOf),
    ...checkGuidance(lengths, processors.guidance, limits.contextLength),
  );
  if (errors.length > 0) return { kind: "refused", errors };

  const deterministic = values.isTrue("deterministic");
  const settings: GenerationSettings = {
    ...lengths,
    ...processors,
    ...warperSettings(values, doSample),
    ...returned,
    doSample,
    beams,
    endTokenIds,
    stopStrings: [...new Set(values.list<string>("stop_strings"))],
    maxTimeMs: milliseconds(values.number("max_time")),
    promptLookup: beams === null ? promptLookup(values) : null,
    draftModel: draftModelSettings(values),
    adapter: adapterOf(values),
    deterministic,
    // The same bytes for the same request: chance must not come in by a seed that nobody gave.
    seed: values.number("seed") ?? (deterministic ? 0 : null),
  };
  const warnings = [...read.warnings, ...inertWarnings(values, context), ...length.warnings];
  return {
    kind: "valid",
    generation: Object.freeze(settings) as ValidGeneration,
    warnings,
    explain: () => effectiveParameters(read.of, settings),
  };
}

/** In the order given and without duplicates. A null from the caller means that no token ends a sequence. */
function resolveEndTokens(eos: Parameter, endOfGenerationIds: readonly number[]): readonly number[] {
  if (eos.source === "default") return endOfGenerationIds;
  if (eos.value === null) return [];
  return [...new Set([eos.value as number | readonly number[]].flat())];
}

/** It raises the end tokens' scores. */
function checkDecay({ of, value }: ParameterValues, endTokenIds: readonly number[]): FieldError[] {
  const name = "exponential_decay_length_penalty";
  if (value(name) === null || endTokenIds.length > 0) return [];
  const { pointer } = placeOfSource(name, of(name).source);
  const message = `\`${name}\` needs an end token, and there is none. Set \`eos_token_id\`, or leave it out.`;
  return [{ pointer, code: "invalid_parameter", message }];
}

function lengthsAreSound(errors: readonly FieldError[]): boolean {
  return errors.every(
    ({ pointer }) => !/\/(max_length|max_new_tokens|min_length|min_new_tokens)$/.test(pointer),
  );
}

function lengthOf(
  { of, number }: ParameterValues,
  promptTokenCount: number,
  contextLength: number,
): LengthResult {
  const [maxLength, minLength] = [of("max_length"), of("min_length")];
  return resolveLength({
    promptTokenCount,
    contextLength,
    maxNewTokens: number("max_new_tokens"),
    maxLength: { value: maxLength.value as number, source: maxLength.source },
    minNewTokens: number("min_new_tokens"),
    minLength: { value: minLength.value as number | null, source: minLength.source },
  });
}

function returnedSettings(
  { number, isTrue }: ParameterValues,
  endTokenIds: readonly number[],
  beams: BeamSettings | null,
): ReturnedSettings {
  const recorded = (name: string) =>
    isTrue("return_dict_in_generate") && isTrue(name) ? { topCount: number("scores_top_n") } : null;
  const pad = number("pad_token_id");
  // In the beam search of transformers 5 a 0 is as good as unset; transformers 4, which has the others, takes it.
  const isUnset = beams !== null && beams.groups === null && beams.forcedWords.length === 0;
  return {
    returnedSequenceCount: number("num_return_sequences") ?? 1,
    padTokenId: (isUnset && pad === 0 ? endTokenIds[0] : null) ?? pad ?? endTokenIds[0] ?? null,
    outputScores: recorded("output_scores"),
    outputLogits: recorded("output_logits"),
    logprobCount: number("logprobs"),
  };
}

function promptLookup({ number }: ParameterValues): GenerationSettings["promptLookup"] {
  const draftTokenCount = number("prompt_lookup_num_tokens");
  if (draftTokenCount === null) return null;
  // 0 is as good as absent there.
  return { draftTokenCount, maxNgramSize: number("max_matching_ngram_size") || 2 };
}

function milliseconds(seconds: number | null): number | null {
  return seconds === null ? null : Math.min(seconds * 1000, Number.MAX_SAFE_INTEGER);
}
