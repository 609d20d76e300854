// Takes something from the score of each token that earlier groups of beams have chosen in the same step.

import type { LogitsProcessor } from "./processor.ts";

/**
 * For each distinct token: score - penalty · (how often it was chosen), in float32. `earlierTokens` holds them at each
 * call; for the first group there are none.
 * Source: transformers 4.46.3, generation/logits_process.py, HammingDiversityLogitsProcessor.
 */
export function createDiversityPenalty(penalty: number, earlierTokens: readonly number[]): LogitsProcessor {
  const amount = Math.fround(penalty);
  return {
    name: "diversity_penalty",
    process(scores) {
      const counts = new Map<number, number>();
      for (const token of earlierTokens) counts.set(token, (counts.get(token) ?? 0) + 1);
      for (const [token, count] of counts) scores[token] = scores[token]! - Math.fround(amount * count);
    },
  };
}
