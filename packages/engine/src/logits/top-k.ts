// Leaves the best k tokens.

import type { LogitsProcessor } from "./processor.ts";
import { kthLargest } from "./select.ts";

/**
 * Removes what is below the k-th largest score; ties with it all stay, so more than k may remain.
 * Source: transformers 5.23.0, logits_process.py, TopKLogitsWarper.
 */
export function createTopK(topK: number, minKeepCount: number): LogitsProcessor {
  const wanted = Math.max(topK, minKeepCount);
  return {
    name: "top_k",
    process(scores) {
      const threshold = kthLargest(scores, Math.min(wanted, scores.length));
      for (let id = 0; id < scores.length; id++) {
        if (scores[id]! < threshold) scores[id] = -Infinity;
      }
    },
  };
}
