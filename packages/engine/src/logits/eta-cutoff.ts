// Leaves the tokens whose probability is not below a threshold that falls as the distribution gets flatter.

import type { LogitsProcessor } from "./processor.ts";
import { removeBelow } from "./remove-below.ts";
import { asTwoRows, maximum, weigh } from "./softmax.ts";

/**
 * The threshold is min(e, sqrt(e) * exp(-H)) with e = `epsilon` and H the entropy; tokens with a probability below it
 * go, but none that ties with the `minKeepCount` best. All float32 but for the sum of H. A row without a finite best,
 * or with NaN, is left alone. `scratch` has at least the row's length.
 * Source: transformers 5.23.0, logits_process.py, EtaLogitsWarper, and torch 2.15.0, distributions/categorical.py.
 */
export function createEtaCutoff(
  epsilon: number,
  minKeepCount: number,
  scratch: Float64Array,
): LogitsProcessor {
  const most = Math.fround(epsilon);
  const root = Math.fround(Math.sqrt(most));
  const [weights] = asTwoRows(scratch);
  return {
    name: "eta_cutoff",
    process(scores) {
      const divisor = weigh(scores, weights);
      if (!(divisor > 0)) return;
      const entropy = Math.fround(entropyOf(scores, weights, divisor));
      const least = Math.min(most, Math.fround(root * Math.fround(Math.exp(-entropy))));
      removeBelow(scores, weights, divisor, least, minKeepCount);
    },
  };
}

/** -Infinity counts as nothing. */
function entropyOf(scores: Float32Array, weights: Float32Array, divisor: number): number {
  const logSumExp = maximum(scores) + Math.log(divisor);
  let entropy = 0;
  for (let id = 0; id < scores.length; id++) {
    if (scores[id] !== -Infinity) entropy -= (scores[id]! - logSumExp) * weights[id]!;
  }
  return entropy / divisor;
}
