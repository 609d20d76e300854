// The best tokens of a row in order, as beams need them.

import { kthLargest } from "./select.ts";
import type { SelectionKernels } from "./selection-kernels.ts";

export interface ScoredToken {
  readonly id: number;
  readonly score: number;
}

/**
 * The `count` best tokens by `score + runningScore` in float32, descending, equal ones in order of id; fewer where the
 * row is shorter, null where a score is not a number.
 */
export function topScores(scores: Float32Array, count: number, runningScore: number): ScoredToken[] | null {
  const sums = scores.map((score) => score + runningScore);
  if (sums.some(Number.isNaN)) return null;
  const least = kthLargest(sums, Math.min(count, sums.length));
  const found: ScoredToken[] = [];
  for (let id = 0; id < sums.length; id++) if (sums[id]! >= least) found.push({ id, score: sums[id]! });
  return found.sort((a, b) => (a.score === b.score ? a.id - b.id : b.score - a.score)).slice(0, count);
}

/** As `topScores`, of the kernels' row; what can be among the best goes through it alone. */
export function topScoresOf(
  kernels: SelectionKernels,
  count: number,
  runningScore: number,
): ScoredToken[] | null {
  const list = kernels.shortlist(count, { addend: runningScore });
  if (list === null) return topScores(kernels.scores, count, runningScore);
  const top = topScores(list.scores, count, runningScore);
  return top?.map(({ id, score }) => ({ id: list.ids[id]!, score })) ?? null;
}

/** Makes the kernels' row log-probabilities and gives its best tokens: a beam's candidates where no processor acts. */
export function logSoftmaxTopK(
  kernels: SelectionKernels,
  count: number,
  runningScore: number,
): ScoredToken[] | null {
  kernels.logSoftmax();
  return topScoresOf(kernels, count, runningScore);
}
