// Lets no n-gram come twice, prompt included.

import { forEachContinuation } from "./ngrams.ts";
import type { LogitsProcessor } from "./processor.ts";

/**
 * Bans each token that, with the last `size - 1` ones, would make an n-gram that the sequence already holds; size 1 bans
 * every token it holds. Source: transformers 5.23.0, logits_process.py, NoRepeatNGramLogitsProcessor.
 */
export function createNoRepeatNgram(size: number): LogitsProcessor {
  return {
    name: "no_repeat_ngram_size",
    process(scores, tokens) {
      forEachContinuation(tokens, tokens.length, tokens, size, (id) => {
        scores[id] = -Infinity;
      });
    },
  };
}
