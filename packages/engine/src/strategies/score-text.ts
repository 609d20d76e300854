// Scoring of a given text: the logarithm of each id's probability after those before it. Rows come as they are computed,
// a part in each step; nothing is chosen.

import type { ScoredText } from "../evaluation.ts";
import type { SelectionKernels } from "../logits/selection-kernels.ts";
import { topScoresOf, type ScoredToken } from "../logits/top-scores.ts";
import type { TextEvaluation } from "./text-evaluation.ts";

/** `ids`: at least one. The last one's row is not needed, as nothing comes after it. */
export function createTextScoring(
  ids: readonly number[],
  topCount: number,
  kernels: SelectionKernels,
): TextEvaluation {
  const context = ids.length === 1 ? ids : ids.slice(0, -1);
  const logProbabilities: number[] = [];
  const top: ScoredToken[][] = [];

  /** False where the row has a score that is not a number, or nothing but -Infinity. */
  function score(row: Float32Array, next: number): boolean {
    kernels.scores.set(row);
    kernels.logSoftmax();
    const logProbability = kernels.scores[next]!;
    const best = topCount === 0 ? [] : topScoresOf(kernels, topCount, 0);
    if (best === null || Number.isNaN(logProbability)) return false;
    logProbabilities.push(logProbability);
    top.push(best);
    return true;
  }

  return {
    context,
    outputs: { kind: "logits", everyPosition: true },
    take({ firstRow, rowCount, firstPosition }, outputs) {
      for (let row = 0; row < rowCount; row++) {
        const next = ids[firstPosition + row + 1];
        if (next !== undefined && !score(outputs.logits(firstRow + row), next)) return false;
      }
      return true;
    },
    // Others may go on from the text.
    keepsPrefix: true,
    output: (): ScoredText => ({ kind: "scores", logProbabilities, top }),
  };
}
