// Classifier-free guidance: the scores of a context, pushed away from those of another one.

import { logSoftmax } from "./log-softmax.ts";

/**
 * Makes `scores` `scale * (c - u) + u` in float32, where c and u are the log-softmaxes of `scores` and
 * `unconditional`; shapes `[vocabSize]`. A token that neither context allows stays at -Infinity.
 * Source: transformers 5.23.0, logits_process.py, UnbatchedClassifierFreeGuidanceLogitsProcessor; deviates in that
 * last case, which is NaN there.
 */
export function guideScores(scores: Float32Array, unconditional: Float32Array, scale: number): void {
  const factor = Math.fround(scale);
  const free = unconditional.slice();
  logSoftmax(scores);
  logSoftmax(free);
  for (let id = 0; id < scores.length; id++) {
    const [c, u] = [scores[id]!, free[id]!];
    if (c === -Infinity && u === -Infinity) continue;
    scores[id] = Math.fround(factor * Math.fround(c - u)) + u;
  }
}
