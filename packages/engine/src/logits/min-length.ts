// Bans end tokens while the sequence, prompt included, is short.

import { ban } from "./bans.ts";
import type { LogitsProcessor } from "./processor.ts";

/** Source: transformers 5.23.0, logits_process.py, MinLengthLogitsProcessor. */
export function createMinLength(minLength: number, endTokenIds: readonly number[]): LogitsProcessor {
  return {
    name: "min_length",
    process(scores, tokens) {
      if (tokens.length < minLength) ban(scores, endTokenIds);
    },
  };
}
