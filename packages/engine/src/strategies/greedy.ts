// Greedy picking: the best score. The definition; the engine picks by `SelectionKernels.bestId`, which equals it.

/** The id of the largest score, the lowest among equals; null where none is above -Infinity or one is not a number. */
export function pickGreedily(scores: Float32Array): number | null {
  let bestId: number | null = null;
  let best = -Infinity;
  for (let id = 0; id < scores.length; id++) {
    const score = scores[id]!;
    if (score <= best) continue;
    if (Number.isNaN(score)) return null;
    best = score;
    bestId = id;
  }
  return bestId;
}
