// Leaves the tokens whose probability is not below a fixed threshold.

import type { LogitsProcessor } from "./processor.ts";
import { removeBelow } from "./remove-below.ts";
import { asTwoRows, weigh } from "./softmax.ts";

/**
 * Removes tokens with a probability below `epsilon`, but none that ties with the `minKeepCount` best. A row without a
 * finite best, or with NaN, is left alone. `scratch` has at least the row's length.
 * Source: transformers 5.23.0, logits_process.py, EpsilonLogitsWarper.
 */
export function createEpsilonCutoff(
  epsilon: number,
  minKeepCount: number,
  scratch: Float64Array,
): LogitsProcessor {
  const least = Math.fround(epsilon);
  const [weights] = asTwoRows(scratch);
  return {
    name: "epsilon_cutoff",
    process(scores) {
      const divisor = weigh(scores, weights);
      if (divisor > 0) removeBelow(scores, weights, divisor, least, minKeepCount);
    },
  };
}
