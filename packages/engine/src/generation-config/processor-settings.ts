// Processors and watermark of a call. A value at which Hugging Face builds no processor is off here.
// Source: transformers 5.23.0, generation/utils.py, _get_logits_processor, and logits_process.py.

import { fillWatermark, rowOf } from "@corral/contract";
import type {
  GuidanceSettings,
  ProcessorSettings,
  SequenceBias,
  WatermarkSettings,
} from "../valid-generation.ts";
import type { ParameterValues } from "./parameter-values.ts";

export interface ProcessorContext {
  readonly endTokenIds: readonly number[];
  readonly vocabSize: number;
  /** The prompt's last id, from which an unguided context begins; null: there is none yet. */
  readonly lastPromptId: number | null;
}

export function processorSettings(values: ParameterValues, context: ProcessorContext): ProcessorSettings {
  const { number, isTrue, list } = values;
  const decay = list<number>("exponential_decay_length_penalty");
  const [startIndex, factor] = decay;
  return {
    guidance: guidance(values, context),
    sequenceBias: sequenceBias(values),
    encoderRepetitionPenalty: unless(1, number("encoder_repetition_penalty")),
    repetitionPenalty: unless(1, number("repetition_penalty")),
    presencePenalty: unless(0, number("presence_penalty")),
    frequencyPenalty: unless(0, number("frequency_penalty")),
    noRepeatNgramSize: positive(number("no_repeat_ngram_size")),
    encoderNoRepeatNgramSize: positive(number("encoder_no_repeat_ngram_size")),
    badWords: badWords(values, context.endTokenIds),
    forcedBosTokenId: number("forced_bos_token_id"),
    forcedEosTokenIds: distinct(list<number>("forced_eos_token_id")).toSorted((a, b) => a - b),
    removeInvalidValues: isTrue("remove_invalid_values"),
    exponentialDecay: startIndex === undefined || factor === undefined ? null : { startIndex, factor },
    suppressedTokenIds: knownIds(list("suppress_tokens"), context.vocabSize),
    beginSuppressedTokenIds: knownIds(list("begin_suppress_tokens"), context.vocabSize),
    watermark: watermark(values),
    renormalizeLogits: isTrue("renormalize_logits"),
  };
}

/** Ids of the vocabulary, each once; others change nothing. */
export function knownIds(ids: readonly number[], vocabSize: number): readonly number[] {
  return distinct(ids).filter((id) => id >= 0 && id < vocabSize);
}

/** Bad words that ban something: one that is empty or a single end token does not. */
export function effectiveBadWords(
  words: readonly (readonly number[])[],
  endTokenIds: readonly number[],
): readonly (readonly number[])[] {
  return words.filter(
    ([first, ...others]) => first !== undefined && (others.length > 0 || !endTokenIds.includes(first)),
  );
}

function unless(neutral: number, value: number | null): number | null {
  return value === neutral ? null : value;
}

function positive(value: number | null): number | null {
  return value !== null && value > 0 ? value : null;
}

function distinct(ids: readonly number[]): readonly number[] {
  return [...new Set(ids)];
}

function guidance(values: ParameterValues, { lastPromptId }: ProcessorContext): GuidanceSettings | null {
  const scale = unless(1, values.number("guidance_scale"));
  if (scale === null) return null;
  const ids = rowOf(values.value("negative_prompt_ids")) as readonly number[];
  if (ids.length === 0) return { scale, negativePromptIds: lastPromptId === null ? [] : [lastPromptId] };
  const mask = rowOf(values.value("negative_prompt_attention_mask"));
  return { scale, negativePromptIds: mask.length === 0 ? ids : ids.slice(mask.indexOf(1)) };
}

/** Of the same ids the last bias holds, at the place of the first, as in a Python dictionary. */
function sequenceBias({ list }: ParameterValues): readonly SequenceBias[] {
  const biases = new Map<string, SequenceBias>();
  for (const [ids, bias] of list<readonly [readonly number[], number]>("sequence_bias")) {
    if (ids.length > 0) biases.set(ids.join(), { ids, bias });
  }
  return [...biases.values()];
}

function badWords({ list }: ParameterValues, endTokenIds: readonly number[]) {
  const words = effectiveBadWords(list<readonly number[]>("bad_words_ids"), endTokenIds);
  return [...new Map(words.map((word) => [word.join(), word])).values()];
}

function watermark({ value }: ParameterValues): WatermarkSettings | null {
  const given = value("watermarking_config");
  if (given === null) return null;
  const { kind, settings } = fillWatermark(given as Readonly<Record<string, unknown>>);
  switch (kind) {
    case "synthid":
      return {
        kind,
        ngramLength: settings.ngram_len,
        keys: settings.keys,
        contextHistorySize: settings.context_history_size,
        samplingTableSeed: settings.sampling_table_seed,
        samplingTableSize: settings.sampling_table_size,
        skipFirstNgramCalls: settings.skip_first_ngram_calls,
        debugMode: settings.debug_mode,
      };
    case "kgw":
      return {
        kind,
        greenlistRatio: settings.greenlist_ratio,
        bias: settings.bias,
        hashingKey: settings.hashing_key,
        seedingScheme: settings.seeding_scheme,
        contextWidth: settings.context_width,
      };
    default:
      return kind satisfies never;
  }
}
