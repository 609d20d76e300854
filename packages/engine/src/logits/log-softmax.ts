// Scores as logarithms of probabilities. The plain lane; selection-kernels.ts gives the same bits faster.

import { expFloat32 } from "./exp.ts";

/**
 * Makes each score `(score - best) - log(sum)`, both differences in float32. `sum` is that of all exp(score - best),
 * float32 numbers summed as doubles in order of id; its logarithm is rounded to float32. Without a finite best, or with
 * a score that is not a number, the row becomes NaN.
 * Source: PyTorch at 458f8a7c, aten/src/ATen/native/cpu/LogSoftmaxKernelImpl.h, serial_vec_log_softmax_lastdim_range;
 * the sums there are float32, as many as the processor's vectors have lanes.
 */
export function logSoftmax(scores: Float32Array): void {
  let best = -Infinity;
  for (let id = 0; id < scores.length; id++) if (scores[id]! > best) best = scores[id]!;
  let sum = 0;
  for (let id = 0; id < scores.length; id++) sum += expFloat32(Math.fround(scores[id]! - best));
  const logSum = Math.fround(Math.log(sum));
  for (let id = 0; id < scores.length; id++) scores[id] = Math.fround(scores[id]! - best) - logSum;
}
