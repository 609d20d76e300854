// The record of transformers' own processors (scripts/oracle/record_processors.py), and its cases as settings.

import { readFileSync } from "node:fs";
import {
  nothingBesides,
  type GenerationSettings,
  type SequenceBias,
  type WatermarkSettings,
} from "../valid-generation.ts";

export interface RecordedCase {
  readonly group: string;
  /** As `generate` takes them. */
  readonly parameters: Readonly<Record<string, unknown>>;
  readonly promptTokenCount: number;
  readonly tokens: readonly number[];
  readonly row: string;
  /** What transformers makes of the row. */
  readonly expected: Float32Array;
  /** Which of several equal scores stay is an accident of torch's sort. */
  readonly isUnordered: boolean;
}

export interface RecordedProcessors {
  readonly transformers: string;
  readonly vocabSize: number;
  readonly rows: ReadonlyMap<string, Float32Array>;
  readonly unconditional: Float32Array;
  readonly watermarks: {
    readonly permutations: readonly {
      readonly seed: number;
      readonly size: number;
      readonly start: readonly number[];
    }[];
    readonly bits_of_seed_0: readonly number[];
    readonly synthid_bits: Readonly<Record<string, readonly number[]>>;
  };
  readonly cases: readonly RecordedCase[];
}

interface RecordFile {
  readonly origin: { readonly transformers: string };
  readonly vocabulary_size: number;
  readonly unconditional: string;
  readonly rows: Readonly<Record<string, string>>;
  readonly watermarks: RecordedProcessors["watermarks"];
  readonly cases: readonly {
    readonly group: string;
    readonly parameters: Readonly<Record<string, unknown>>;
    readonly prompt: number;
    readonly ids: readonly number[];
    readonly row: string;
    readonly kept?: readonly number[];
    readonly scores?: string;
    readonly unordered?: boolean;
  }[];
}

export function readRecordedProcessors(): RecordedProcessors {
  const path = new URL("../../test-data/oracle/processors.json", import.meta.url);
  const record = JSON.parse(readFileSync(path, "utf8")) as RecordFile;
  const rows = new Map(Object.entries(record.rows).map(([name, text]) => [name, decode(text)]));
  const rowOf = (name: string) => rows.get(name) ?? new Float32Array();
  return {
    transformers: record.origin.transformers,
    vocabSize: record.vocabulary_size,
    rows,
    unconditional: rowOf(record.unconditional),
    watermarks: record.watermarks,
    cases: record.cases.map(({ group, parameters, prompt, ids, row, kept, scores, unordered }) => ({
      group,
      parameters,
      promptTokenCount: prompt,
      tokens: ids,
      row,
      expected:
        scores === undefined
          ? rowOf(row).map((score, id) => (kept?.includes(id) ? score : -Infinity))
          : decode(scores),
      isUnordered: unordered === true,
    })),
  };
}

function decode(base64: string): Float32Array {
  const bytes = Buffer.from(base64, "base64");
  return Float32Array.from({ length: bytes.length / 4 }, (_, index) => bytes.readFloatLE(4 * index));
}

/** As `resolveGeneration` would, for parameters that are sound: the record has no others. */
export function settingsOf(
  given: Readonly<Record<string, unknown>>,
  promptTokenCount: number,
): GenerationSettings {
  const number = (name: string, off: number | null = null) => {
    const value = (given[name] ?? null) as number | null;
    return value === off ? null : value;
  };
  const ids = (name: string): readonly number[] => {
    const value = (given[name] ?? []) as number | readonly number[];
    return typeof value === "number" ? [value] : value;
  };
  const endTokenIds = ids("eos_token_id");
  const decay = given["exponential_decay_length_penalty"] as readonly [number, number] | undefined;
  const badWords = (given["bad_words_ids"] ?? []) as readonly (readonly number[])[];
  const sequenceBias = (given["sequence_bias"] ?? []) as readonly (readonly [readonly number[], number])[];
  const scale = number("guidance_scale", 1);
  const topP = number("top_p");
  return {
    ...nothingBesides,
    doSample: given["do_sample"] === true,
    deterministic: false,
    seed: null,
    promptTokenCount,
    maxLength: number("max_length") ?? 1000,
    minLength: number("min_length") ?? 0,
    minNewTokenCount: number("min_new_tokens") ?? 0,
    guidance: scale === null ? null : { scale, negativePromptIds: [0] },
    sequenceBias: sequenceBias.map(([sequence, bias]): SequenceBias => ({ ids: sequence, bias })),
    encoderRepetitionPenalty: number("encoder_repetition_penalty", 1),
    repetitionPenalty: number("repetition_penalty", 1),
    presencePenalty: number("presence_penalty", 0),
    frequencyPenalty: number("frequency_penalty", 0),
    noRepeatNgramSize: number("no_repeat_ngram_size", 0),
    encoderNoRepeatNgramSize: number("encoder_no_repeat_ngram_size", 0),
    badWords: badWords.filter((word) => word.length > 1 || !endTokenIds.includes(word[0] ?? -1)),
    forcedBosTokenId: number("forced_bos_token_id"),
    forcedEosTokenIds: ids("forced_eos_token_id"),
    removeInvalidValues: given["remove_invalid_values"] === true,
    exponentialDecay: decay === undefined ? null : { startIndex: decay[0], factor: decay[1] },
    suppressedTokenIds: ids("suppress_tokens"),
    beginSuppressedTokenIds: ids("begin_suppress_tokens"),
    watermark: watermarkOf(given["watermarking_config"] as Readonly<Record<string, unknown>> | undefined),
    renormalizeLogits: given["renormalize_logits"] === true,
    temperature: number("temperature", 1),
    topH: number("top_h"),
    topK: number("top_k", 0),
    topP: topP !== null && topP < 1 ? topP : null,
    minP: number("min_p"),
    typicalP: number("typical_p", 1),
    epsilonCutoff: number("epsilon_cutoff", 0),
    etaCutoff: number("eta_cutoff", 0),
    endTokenIds,
    returnedSequenceCount: 1,
    padTokenId: null,
  };
}

function watermarkOf(given: Readonly<Record<string, unknown>> | undefined): WatermarkSettings | null {
  if (given === undefined) return null;
  const number = (name: string, otherwise: number) => (given[name] as number | undefined) ?? otherwise;
  if (given["ngram_len"] === undefined) {
    return {
      kind: "kgw",
      greenlistRatio: number("greenlist_ratio", 0.25),
      bias: number("bias", 2),
      hashingKey: number("hashing_key", 15485863),
      seedingScheme: given["seeding_scheme"] === "selfhash" ? "selfhash" : "lefthash",
      contextWidth: number("context_width", 1),
    };
  }
  return {
    kind: "synthid",
    ngramLength: number("ngram_len", 5),
    keys: given["keys"] as readonly number[],
    contextHistorySize: number("context_history_size", 1024),
    samplingTableSeed: number("sampling_table_seed", 0),
    samplingTableSize: number("sampling_table_size", 65536),
    skipFirstNgramCalls: given["skip_first_ngram_calls"] === true,
    debugMode: given["debug_mode"] === true,
  };
}
