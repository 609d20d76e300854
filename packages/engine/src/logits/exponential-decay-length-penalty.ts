// Makes the end likelier with every token beyond a length.

import type { ExponentialDecay } from "../valid-generation.ts";
import { greatestFloat32 } from "./float32.ts";
import type { LogitsProcessor } from "./processor.ts";

/**
 * From the first token after `startIndex + 1` new ones on, adds `|score| * (factor^excess - 1)` to each end token's
 * score, the factor and the product rounded to float32; excess is how many new tokens there are beyond `startIndex`.
 * A score that is not finite stays. Source: transformers 5.23.0, logits_process.py, ExponentialDecayLengthPenalty;
 * deviates where a result is beyond float32, which fails or is an infinity there and stops at the greatest number here.
 */
export function createExponentialDecay(
  { startIndex, factor }: ExponentialDecay,
  promptTokenCount: number,
  endTokenIds: readonly number[],
): LogitsProcessor {
  const start = promptTokenCount + startIndex;
  const distinctIds = [...new Set(endTokenIds)];
  return {
    name: "exponential_decay_length_penalty",
    process(scores, tokens) {
      if (tokens.length <= start) return;
      const growth = Math.fround(toFinite(factor ** (tokens.length - start) - 1));
      for (const id of distinctIds) {
        const score = scores[id];
        if (score === undefined || !Number.isFinite(score)) continue;
        const addend = Math.abs(score) * growth;
        const isWithin = Math.abs(addend) <= greatestFloat32;
        scores[id] = toFinite(score + (isWithin ? Math.fround(addend) : addend));
      }
    },
  };
}

function toFinite(value: number): number {
  return Math.min(greatestFloat32, Math.max(-greatestFloat32, value));
}
