// Classifier-free guidance: pushes the scores away from what another, unconditional context would say.

import { logNormalizer } from "./log-softmax.ts";
import type { LogitsProcessor } from "./processor.ts";

/**
 * Makes `scores` `scale * (c - u) + u`, where c and u are the log-softmaxes of both rows, every operation rounded to
 * float32. Shapes `[vocabSize]`; `unconditional` is read only.
 * Source: transformers 5.23.0, logits_process.py, UnbatchedClassifierFreeGuidanceLogitsProcessor; deviates where both
 * contexts give a token no chance at all, which is NaN there and -Infinity here.
 */
export function guideScores(scores: Float32Array, unconditional: Float32Array, scale: number): void {
  const factor = Math.fround(scale);
  const conditionalNormalizer = logNormalizer(scores);
  const freeNormalizer = logNormalizer(unconditional);
  for (let id = 0; id < scores.length; id++) {
    if (scores[id] === -Infinity && unconditional[id] === -Infinity) continue;
    const given = Math.fround(
      Math.fround(scores[id]! - conditionalNormalizer.best) - conditionalNormalizer.logSum,
    );
    const free = Math.fround(Math.fround(unconditional[id]! - freeNormalizer.best) - freeNormalizer.logSum);
    scores[id] = Math.fround(factor * Math.fround(given - free)) + free;
  }
}

/** `unconditional` holds the unconditional context's logits for the same position at each call. */
export function createGuidance(scale: number, unconditional: Float32Array): LogitsProcessor {
  return {
    name: "guidance_scale",
    process: (scores) => guideScores(scores, unconditional, scale),
  };
}
