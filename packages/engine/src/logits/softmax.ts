// Scores as weights: what softmax divides by its sum. Shared by the warpers that look at probabilities.

import { expFloat32 } from "./exp.ts";

/** The largest score; NaN is passed over, and without anything above it the result is -Infinity. */
export function maximum(scores: Float32Array): number {
  let best = -Infinity;
  for (let id = 0; id < scores.length; id++) if (scores[id]! > best) best = scores[id]!;
  return best;
}

/**
 * Writes exp(score - best) as float32 into `weights`, but nothing where the score is -Infinity, and gives softmax's
 * divisor: their sum as doubles in order of id, rounded to float32. A token's probability is its weight through the
 * divisor, as float32. NaN where softmax has no result: no finite best, or a score that is not a number.
 */
export function weigh(scores: Float32Array, weights: Float32Array): number {
  const best = maximum(scores);
  if (!Number.isFinite(best)) return NaN;
  let sum = 0;
  for (let id = 0; id < scores.length; id++) {
    if (scores[id] === -Infinity) continue;
    const weight = expFloat32(Math.fround(scores[id]! - best));
    weights[id] = weight;
    sum += weight;
  }
  return Math.fround(sum);
}

/** The same memory as two rows of float32. */
export function asTwoRows(scratch: Float64Array): readonly [Float32Array, Float32Array] {
  const { buffer, byteOffset, length } = scratch;
  return [
    new Float32Array(buffer, byteOffset, length),
    new Float32Array(buffer, byteOffset + 4 * length, length),
  ];
}
