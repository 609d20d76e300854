// Scores as logarithms of probabilities. The plain lane; selection-kernels.ts gives the same bits faster.

import { expFloat32 } from "./exp.ts";
import { maximum } from "./softmax.ts";

export interface LogNormalizer {
  readonly best: number;
  /** Of all exp(score - best), float32; NaN without a finite best or with a score that is not a number. */
  readonly logSum: number;
}

/** What `logSoftmax` takes away from each score: `best`, then `logSum`, both in float32. */
export function logNormalizer(scores: Float32Array): LogNormalizer {
  const best = maximum(scores);
  let sum = 0;
  for (let id = 0; id < scores.length; id++) sum += expFloat32(Math.fround(scores[id]! - best));
  return { best, logSum: Math.fround(Math.log(sum)) };
}

/**
 * Makes each score `(score - best) - log(sum)`, both differences in float32. `sum` is that of all exp(score - best),
 * float32 numbers summed as doubles in order of id; its logarithm is rounded to float32. Without a finite best, or with
 * a score that is not a number, the row becomes NaN.
 * Source: PyTorch at 458f8a7c, aten/src/ATen/native/cpu/LogSoftmaxKernelImpl.h, serial_vec_log_softmax_lastdim_range;
 * the sums there are float32, as many as the processor's vectors have lanes.
 */
export function logSoftmax(scores: Float32Array): void {
  const { best, logSum } = logNormalizer(scores);
  for (let id = 0; id < scores.length; id++) scores[id] = Math.fround(scores[id]! - best) - logSum;
}
