// Wire parameters of `generate` → `ValidGeneration`, or a refusal that lists every bad field.
// The only file of the engine that knows Hugging Face's spelling and its precedence.
// Source: transformers 5.23.0, generation/configuration_utils.py and utils.py.

import {
  checkGenerationRanges,
  findGenerationField,
  modelValue,
  type FieldError,
  type ParameterValue,
} from "@corral/contract";
import { checkCells } from "./generation-config/cells.ts";
import { resolveLength } from "./generation-config/lengths.ts";
import { readParameters, type Parameter } from "./generation-config/read-parameters.ts";
import { nothingBesides, type GenerationSettings, type ValidGeneration } from "./valid-generation.ts";

export interface GenerationLimits {
  /** Most tokens of one sequence, prompt included. */
  readonly contextLength: number;
  readonly vocabSize: number;
  /** Most sequences of one generation. */
  readonly maxSequenceCount: number;
  /** Cells that all sequences of one generation may take together. */
  readonly cellCount: number;
}

export interface ResolveGenerationInput {
  /** The caller's values by their Hugging Face names, parsed from JSON. A null is a value: it overrides the model. */
  readonly parameters: Readonly<Record<string, unknown>>;
  /** The model's generation_config.json, its catalogue defaults merged in. A null there is as good as absent. */
  readonly modelConfig: Readonly<Record<string, unknown>>;
  readonly promptTokenCount: number;
  readonly limits: GenerationLimits;
  /** Ids the vocabulary marks as end of generation: used where neither caller nor model names an eos_token_id. */
  readonly endOfGenerationIds: readonly number[];
}

export interface ResolvedGeneration {
  readonly kind: "valid";
  readonly generation: ValidGeneration;
  /** Whole sentences for the caller, in the order of the rules. */
  readonly warnings: readonly string[];
}

export interface GenerationRefusal {
  readonly kind: "refused";
  /** At least one; `fieldsError(errors)` makes the exception of them. */
  readonly errors: readonly FieldError[];
}

/**
 * Caller over model over Hugging Face's global defaults. Unknown names, fields that are not implemented, wrong kinds,
 * ranges and lengths are all refused together. Range errors of warpers count only when sampling, as in Hugging Face.
 */
export function resolveGeneration(input: ResolveGenerationInput): ResolvedGeneration | GenerationRefusal {
  const { promptTokenCount, limits } = input;
  const read = readParameters(input.parameters, input.modelConfig);
  const parameter = (name: string): Parameter => read.parameters.get(name) ?? nobodySet;
  const number = (name: string) => parameter(name).value as number | null;

  const doSample = parameter("do_sample").value === true;
  const [temperature, topK, topP] = [number("temperature"), number("top_k"), number("top_p")];
  const repetitionPenalty = number("repetition_penalty");
  const sequenceCount = number("num_return_sequences") ?? 1;
  const maxNewTokens = number("max_new_tokens");
  const maxLength = parameter("max_length");
  const deterministic = parameter("deterministic").value === true;
  // The same bytes for the same request: chance must not come in by a seed that nobody gave.
  const seed = number("seed") ?? (deterministic ? 0 : null);
  const endTokenIds = resolveEndTokens(parameter("eos_token_id"), input.endOfGenerationIds);
  const padTokenId = optionalId("pad_token_id", parameter("pad_token_id"));

  function checkedValue(name: string): ParameterValue {
    if (name === "eos_token_id") return endTokenIds;
    return name.endsWith("_token_id") ? optionalId(name, parameter(name)) : parameter(name).value;
  }
  const { maxSequenceCount, vocabSize } = limits;
  const errors: FieldError[] = [
    ...read.errors,
    ...checkGenerationRanges(checkedValue, { doSample, maxSequenceCount, vocabSize }),
  ];
  const lengthsAreSound = errors.every(
    ({ pointer }) => pointer !== "/max_length" && pointer !== "/max_new_tokens",
  );
  const length = lengthsAreSound
    ? resolveLength({
        promptTokenCount,
        contextLength: limits.contextLength,
        maxNewTokens,
        maxLength: { value: maxLength.value as number, source: maxLength.source },
      })
    : null;
  if (length?.kind === "refused") errors.push(length.error);
  if (length?.kind === "resolved" && errors.length === 0) {
    errors.push(
      ...checkCells(promptTokenCount, length.maxLength - promptTokenCount, sequenceCount, limits.cellCount),
    );
  }
  if (errors.length > 0 || length?.kind !== "resolved") return { kind: "refused", errors };

  const settings: GenerationSettings = {
    ...nothingBesides,
    promptTokenCount,
    maxLength: length.maxLength,
    doSample,
    temperature: doSample && temperature !== 1 ? temperature : null,
    topK: doSample && topK !== 0 ? topK : null,
    topP: doSample && topP !== null && topP < 1 ? topP : null,
    repetitionPenalty: repetitionPenalty === 1 ? null : repetitionPenalty,
    returnedSequenceCount: sequenceCount,
    endTokenIds,
    padTokenId: padTokenId ?? endTokenIds[0] ?? null,
    deterministic,
    seed,
  };
  const warnings = [...read.warnings, ...inertWarnings(parameter), ...length.warnings];
  return { kind: "valid", generation: Object.freeze(settings) as ValidGeneration, warnings };
}

const nobodySet: Parameter = { value: null, source: "default" };

/** In the order given and without duplicates. A null from the caller means that no token ends a sequence. */
function resolveEndTokens(eos: Parameter, endOfGenerationIds: readonly number[]): readonly number[] {
  if (eos.source === "default") return endOfGenerationIds;
  if (eos.value === null) return [];
  return [...new Set([eos.value as number | readonly number[]].flat())];
}

function optionalId(name: string, { value, source }: Parameter): number | null {
  return (source === "model" ? modelValue(name, value) : value) as number | null;
}

/**
 * What has no effect: a BOS token beside a prompt, and sampling parameters without sampling. Hugging Face is silent
 * where the caller switched sampling off himself and the parameter only comes with the model.
 */
function inertWarnings(parameter: (name: string) => Parameter): string[] {
  const bos = parameter("bos_token_id");
  const bosWarnings =
    bos.source === "caller" && bos.value !== null
      ? ["`bos_token_id` has no effect, as in Hugging Face where there is a prompt: the tokenizer begins it."]
      : [];
  const doSample = parameter("do_sample");
  if (doSample.value === true) return bosWarnings;
  const warperWarnings = ["temperature", "top_k", "top_p"].flatMap((name) => {
    const { value, source } = parameter(name);
    const isNeutral = value === null || value === findGenerationField(name)?.default;
    if (isNeutral || (source === "model" && doSample.source === "caller")) return [];
    return [`\`${name}\` (${String(value)}) has no effect as \`do_sample\` is not true.`];
  });
  return [...bosWarnings, ...warperWarnings];
}
