// The best finished sequences of a search as transformers 4 keeps them, and when no better ones can come.
// Pure; knows neither candidates nor constraints.

import type { FinishReason } from "@corral/contract";
import { emptyHistory, type BeamHistory, type Hypothesis } from "./beam.ts";
import { ruledOut } from "./beam-search.ts";

export interface BeamHypothesesOptions {
  /** Most that are kept; at least 1. */
  readonly count: number;
  readonly earlyStopping: boolean | "never";
  /** Any finite number; above 0 favours long sequences, as log-probabilities are negative. */
  readonly lengthPenalty: number;
  /** Most new tokens of a sequence. */
  readonly maxNewTokenCount: number;
}

export interface BeamHypotheses {
  /** `sum` of log-probabilities over `newTokenCount` tokens, the last one included. Kept if it is good enough. */
  add(history: BeamHistory, reason: FinishReason, sum: number, newTokenCount: number): void;
  /** Whether there are enough, and none to come is better; `bestSum` is of the best candidate, ended or not. */
  isDone(bestSum: number, newTokenCount: number): boolean;
  /** Best first, of equal ones the later; then empty places up to the count. */
  best(): readonly Hypothesis[];
  readonly size: number;
}

/**
 * Scores are doubles, as Python's.
 * Source: transformers 4.46.3, generation/beam_search.py, BeamHypotheses.
 */
export function createBeamHypotheses(options: BeamHypothesesOptions): BeamHypotheses {
  const { count, earlyStopping, lengthPenalty, maxNewTokenCount } = options;
  let kept: readonly Hypothesis[] = [];
  let worst = Infinity;
  const scoreOf = (sum: number, length: number) => sum / length ** lengthPenalty;

  return {
    add(history, reason, sum, newTokenCount) {
      const score = scoreOf(sum, newTokenCount);
      if (kept.length >= count && score <= worst) return;
      kept = [...kept, { ...history, reason, score }];
      const ascending = kept.toSorted((a, b) => a.score - b.score);
      if (kept.length > count) {
        const [dropped] = ascending.splice(0, 1);
        kept = kept.filter((hypothesis) => hypothesis !== dropped);
      }
      worst = ascending[0]?.score ?? Infinity;
    },
    isDone(bestSum, newTokenCount) {
      if (kept.length < count) return false;
      if (earlyStopping === true) return true;
      const countsMost = earlyStopping === "never" && lengthPenalty > 0;
      return worst >= scoreOf(bestSum, countsMost ? maxNewTokenCount : newTokenCount);
    },
    best() {
      const found = kept.toReversed().sort((a, b) => b.score - a.score);
      const empty: Hypothesis = { ...emptyHistory, score: ruledOut, reason: "length" };
      return [...found, ...Array.from({ length: count - found.length }, () => empty)];
    },
    get size() {
      return kept.length;
    },
  };
}
