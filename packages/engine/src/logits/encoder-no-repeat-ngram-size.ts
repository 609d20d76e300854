// Lets no n-gram of the prompt come again.

import { forEachContinuation } from "./ngrams.ts";
import type { LogitsProcessor } from "./processor.ts";

/**
 * Bans each token that, with the last `size - 1` ones, would make an n-gram of the prompt; size 1 bans every token of
 * it. Source: transformers 5.23.0, logits_process.py, EncoderNoRepeatNGramLogitsProcessor, for which the prompt of a
 * model without encoder is the encoder's input.
 */
export function createEncoderNoRepeatNgram(size: number, promptTokenCount: number): LogitsProcessor {
  return {
    name: "encoder_no_repeat_ngram_size",
    process(scores, tokens) {
      forEachContinuation(tokens, promptTokenCount, tokens, size, (id) => {
        scores[id] = -Infinity;
      });
    },
  };
}
