// What one call may cost at most: the caps of a deployment, their defaults, and the counts that parameters alone tell.
// What depends on lengths (tokens, scores) is counted by `@corral/engine`.

import { z } from "zod";
import type { FieldError } from "./errors.ts";
import type { ParameterValue, ValueOf } from "./generation-kinds.ts";
import type { PlaceOf } from "./generation-values.ts";

const count = z.int().positive();

/** By their wire names, as `model_metadata.corral.call_caps` and a replica's config have them. */
export const callCapsSchema = z.strictObject({
  /** Sequences × (prompt + most new tokens). */
  tokens: count.optional(),
  /** Of the scores and logits that are returned, four bytes a number. */
  score_bytes: z.int().min(0).optional(),
  stop_strings: count.optional(),
  /** Characters of one stop string. */
  stop_string_length: count.optional(),
  /** Entries of bad words and biases together. */
  banned_or_biased: count.optional(),
  /** Token ids in them. */
  banned_or_biased_ids: count.optional(),
});
export type CallCaps = z.infer<typeof callCapsSchema>;

export interface GenerationCaps {
  /** Null: the KV cache alone limits it. */
  readonly tokenCount: number | null;
  readonly scoreBytes: number;
  readonly stopStringCount: number;
  readonly stopStringLength: number;
  readonly biasCount: number;
  readonly biasIdCount: number;
}

/** Far above what calls need, far below what would hold a step up for others. */
export const defaultCaps: GenerationCaps = {
  tokenCount: null,
  scoreBytes: 8 * 2 ** 20,
  stopStringCount: 64,
  stopStringLength: 1_000,
  biasCount: 4_096,
  biasIdCount: 65_536,
};

export function generationCaps(caps: CallCaps): GenerationCaps {
  return {
    tokenCount: caps.tokens ?? defaultCaps.tokenCount,
    scoreBytes: caps.score_bytes ?? defaultCaps.scoreBytes,
    stopStringCount: caps.stop_strings ?? defaultCaps.stopStringCount,
    stopStringLength: caps.stop_string_length ?? defaultCaps.stopStringLength,
    biasCount: caps.banned_or_biased ?? defaultCaps.biasCount,
    biasIdCount: caps.banned_or_biased_ids ?? defaultCaps.biasIdCount,
  };
}

const mostEndsOfBeams = 64;

/** Stop strings, bad words and biases that are too many or too long. */
export function checkCounts(valueOf: ValueOf, caps: GenerationCaps, placeOf: PlaceOf): FieldError[] {
  const stops = listOf<string>(valueOf("stop_strings"));
  const longestStop = stops.reduce((longest, { length }) => Math.max(longest, length), 0);
  const words = listOf<readonly number[]>(valueOf("bad_words_ids"));
  const biases = listOf<readonly [readonly number[], number]>(valueOf("sequence_bias"));
  const entryCount = words.length + biases.length;
  const ids = (lists: readonly (readonly number[])[]) => lists.reduce((sum, { length }) => sum + length, 0);
  const idCount = ids(words) + ids(biases.map(([biased]) => biased));
  const biasing = biases.length > 0 ? "sequence_bias" : "bad_words_ids";
  const ends = listOf<number>(valueOf("eos_token_id"));
  const beamCount = valueOf("num_beams");
  // As many candidates as there are ends are ranked in each step for every beam.
  const endCap = typeof beamCount === "number" && beamCount > 1 ? mostEndsOfBeams : null;
  return [
    ...checkCap("eos_token_id", ends.length, endCap, "end tokens beside `num_beams`", placeOf),
    ...checkCap("stop_strings", stops.length, caps.stopStringCount, "stop strings", placeOf),
    ...checkCap("stop_strings", longestStop, caps.stopStringLength, "characters in one stop string", placeOf),
    ...checkCap(biasing, entryCount, caps.biasCount, "bad words and biased sequences", placeOf),
    ...checkCap(biasing, idCount, caps.biasIdCount, "token ids in bad words and biased sequences", placeOf),
  ];
}

export function checkCap(
  name: string,
  given: number,
  cap: number | null,
  what: string,
  placeOf: PlaceOf,
): FieldError[] {
  if (cap === null || given <= cap) return [];
  const { pointer, origin } = placeOf(name);
  const message = `\`${name}\` asks for ${given} ${what}${origin}; a call of this deployment may have ${cap}.`;
  return [{ pointer, code: "invalid_parameter", message }];
}

/** A value that is of its field's kind; a text alone is a list of one. */
function listOf<Item>(value: ParameterValue): readonly Item[] {
  return (value === null ? [] : Array.isArray(value) ? value : [value]) as readonly Item[];
}
