// Removal of improbable tokens, as epsilon_cutoff and eta_cutoff do it.

import { kthLargest } from "./select.ts";

/**
 * Removes tokens whose probability, `weight / divisor` as float32, is below `least` and whose score is below the
 * `minKeepCount`-th largest.
 */
export function removeBelow(
  scores: Float32Array,
  weights: Float32Array,
  divisor: number,
  least: number,
  minKeepCount: number,
): void {
  const keptScore = kthLargest(scores, Math.min(minKeepCount, scores.length));
  for (let id = 0; id < scores.length; id++) {
    const score = scores[id]!;
    if (score === -Infinity) continue;
    if (Math.fround(weights[id]! / divisor) < least && score < keptScore) scores[id] = -Infinity;
  }
}
