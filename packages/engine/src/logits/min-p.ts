// Leaves the tokens whose probability is at least a share of the best one's.

import { bestIds } from "./best-ids.ts";
import type { LogitsProcessor } from "./processor.ts";
import { asTwoRows, maximum, weigh } from "./softmax.ts";

/** Farther than so from the threshold, in units of the score, rounding cannot decide. */
const doubt = 1e-5;
/** Below it, products are no float32 numbers with all their digits. */
const leastPlainShare = 1e-30;

/**
 * Removes tokens with a probability below `minP` times the best one's, all float32; the `minKeepCount` best always stay.
 * Probabilities are computed only where a score is so near the threshold that rounding decides. A row without a finite
 * best is left alone, and so is NaN. `scratch` has at least the row's length.
 * Source: transformers 5.23.0, logits_process.py, MinPLogitsWarper.
 */
export function createMinP(minP: number, minKeepCount: number, scratch: Float64Array): LogitsProcessor {
  const share = Math.fround(minP);
  const [weights] = asTwoRows(scratch);
  const threshold = Math.log(share);
  const margin = share < leastPlainShare ? Infinity : doubt;
  return {
    name: "min_p",
    process(scores) {
      const best = maximum(scores);
      if (share === 0 || !Number.isFinite(best)) return;
      const certain = threshold - margin;
      const isDoubtful = (distance: number) => Math.abs(distance - threshold) <= margin;
      let divisor = NaN;
      let least = 0;
      if (hasDoubtful(scores, best, isDoubtful)) {
        divisor = weigh(scores, weights);
        least = Math.fround(share * Math.fround(1 / divisor));
      }
      const kept = minKeepCount > 1 ? bestIds(scores, minKeepCount) : [];
      const keptScores = kept.map((id) => scores[id]!);
      for (let id = 0; id < scores.length; id++) {
        const distance = scores[id]! - best;
        if (distance < certain) scores[id] = -Infinity;
        else if (isDoubtful(distance) && Math.fround(weights[id]! / divisor) < least) scores[id] = -Infinity;
      }
      for (const [index, id] of kept.entries()) scores[id] = keptScores[index]!;
    },
  };
}

function hasDoubtful(scores: Float32Array, best: number, isDoubtful: (distance: number) => boolean): boolean {
  for (let id = 0; id < scores.length; id++) if (isDoubtful(scores[id]! - best)) return true;
  return false;
}
