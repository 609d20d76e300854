// Makes scores logarithms of probabilities, after everything else.

import { logSoftmax } from "./log-softmax.ts";
import type { LogitsProcessor } from "./processor.ts";
import { maximum } from "./softmax.ts";

/**
 * Source: transformers 5.23.0, logits_process.py, LogitNormalization; deviates where every token is banned: the row is
 * left alone, where it becomes NaN there.
 */
export function createRenormalizeLogits(): LogitsProcessor {
  return {
    name: "renormalize_logits",
    process(scores) {
      if (maximum(scores) > -Infinity) logSoftmax(scores);
    },
  };
}
