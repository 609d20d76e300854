// Making tokens impossible, or the only possible ones.

/** Ids beyond the row are none. */
export function ban(scores: Float32Array, ids: readonly number[]): void {
  for (const id of ids) if (id < scores.length) scores[id] = -Infinity;
}

/** Leaves nothing but these, with score 0. */
export function force(scores: Float32Array, ids: readonly number[]): void {
  scores.fill(-Infinity);
  for (const id of ids) if (id < scores.length) scores[id] = 0;
}
