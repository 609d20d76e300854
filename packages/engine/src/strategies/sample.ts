// Picking by chance, with the probabilities that the scores stand for. The random number is an argument.

import { expFloat32 } from "../logits/exp.ts";

/**
 * Inverse transform: the first id at which the cumulative probability, of float32 exponentials summed as doubles in
 * order of id, exceeds `uniform`, in `[0, 1)`. An id of probability zero is never picked. Null where no probability is
 * above zero or one is not a number. `scratch` has at least the row's length.
 */
export function pickBySampling(scores: Float32Array, uniform: number, scratch: Float64Array): number | null {
  let best = -Infinity;
  for (let id = 0; id < scores.length; id++) if (scores[id]! > best) best = scores[id]!;
  let total = 0;
  for (let id = 0; id < scores.length; id++) {
    const weight = expFloat32(Math.fround(scores[id]! - best));
    scratch[id] = weight;
    total += weight;
  }
  if (!(total > 0)) return null;
  const target = uniform * total;
  let cumulative = 0;
  let lastPossible: number | null = null;
  for (let id = 0; id < scores.length; id++) {
    if (scratch[id] === 0) continue;
    cumulative += scratch[id]!;
    lastPossible = id;
    if (cumulative > target) return id;
  }
  // `uniform * total` may round up to `total`.
  return lastPossible;
}
