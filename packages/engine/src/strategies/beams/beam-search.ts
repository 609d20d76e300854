// Beam search and beam sampling as a state machine over ranked candidates: who goes on, who is done, when it is over.
// Pure; knows neither the model nor how candidates are found.

import {
  continued,
  emptyHistory,
  type BeamCandidate,
  type BeamHistory,
  type BeamSearch,
  type Hypothesis,
  type RunningBeam,
} from "./beam.ts";

export interface BeamSearchOptions {
  /** At least 2. */
  readonly beamCount: number;
  readonly earlyStopping: boolean | "never";
  /** Any finite number; above 0 favours long sequences, as log-probabilities are negative. */
  readonly lengthPenalty: number;
  /** Most new tokens of a sequence. */
  readonly maxNewTokenCount: number;
  /** Candidates of a step, where so many tokens are possible: `candidateCount`. */
  readonly rankedCount: number;
}

/** Stands for "never to be chosen". In float32 what is near it is 64 apart: a log-probability added to it is lost. */
export const ruledOut = Math.fround(-1e9);

/** A place among the finished; at first none holds a sequence. */
interface FinishedSlot extends BeamHistory {
  readonly score: number;
  /** Null: nothing has finished here. */
  readonly reason: Hypothesis["reason"] | null;
}

/** How many candidates a step ranks: enough that, if the best of them end, as many go on. */
export function candidateCount(beamCount: number, endTokenCount: number): number {
  return Math.max(2, 1 + endTokenCount) * beamCount;
}

/**
 * All scores are float32 and every sum is rounded as in the source, where what must not be chosen has 1e9 taken away.
 * Equal scores keep the order of their candidates; PyTorch leaves it open.
 * Source: transformers 5.23.0, generation/utils.py, _beam_search and the functions above it. Deviates where fewer
 * tokens are possible than candidates are wanted: impossible ones, of -Infinity, are never taken for a beam.
 */
export function createBeamSearch(options: BeamSearchOptions): BeamSearch {
  const { beamCount, earlyStopping, lengthPenalty, maxNewTokenCount, rankedCount } = options;
  let running: readonly RunningBeam[] = [{ ...emptyHistory, score: 0 }];
  let slots: readonly FinishedSlot[] = Array.from({ length: beamCount }, () => ({
    ...emptyHistory,
    score: ruledOut,
    reason: null,
  }));
  let canImprove = true;
  let newTokenCount = 0;

  const normalized = (score: number, length: number) => divide(score, length ** lengthPenalty);
  const areAllDone = () => slots.every(({ reason }) => reason !== null);

  /** By score and, among equals, in the order given. */
  function goOn(candidates: readonly BeamCandidate[]) {
    return candidates
      .map((candidate) => {
        const score = Math.fround(candidate.score + (candidate.reason === null ? 0 : ruledOut));
        return { candidate, score };
      })
      .sort((a, b) => b.score - a.score)
      .slice(0, beamCount);
  }

  function finish(candidates: readonly BeamCandidate[]): readonly FinishedSlot[] {
    const isFull = earlyStopping === true && areAllDone();
    const ended = candidates.map((candidate, rank) => {
      const mayFinish = candidate.reason !== null && rank < beamCount;
      let score = normalized(candidate.score, newTokenCount);
      for (const isRuledOut of [isFull, !canImprove, !mayFinish])
        score = Math.fround(score + (isRuledOut ? ruledOut : 0));
      const slot = (): FinishedSlot => ({
        ...continued(running[candidate.beam] ?? emptyHistory, candidate),
        score,
        reason: mayFinish ? candidate.reason : null,
      });
      return { score, slot };
    });
    const kept = slots.map((slot) => ({ score: slot.score, slot: () => slot }));
    // Histories are made for those alone that get a place.
    const best = [...kept, ...ended].sort((a, b) => b.score - a.score).slice(0, beamCount);
    return best.map(({ slot }) => slot());
  }

  /** Whether the best running beam may yet do better than a finished one. */
  function mayImprove(): boolean {
    const countsMost = earlyStopping === "never" && lengthPenalty > 0;
    const best = running[0]?.score ?? -Infinity;
    const attainable = normalized(best, countsMost ? maxNewTokenCount : newTokenCount);
    const worst = slots.reduce((least, { score }) => Math.min(least, score), Infinity);
    return slots.some(({ reason }) => attainable > (reason === null ? ruledOut : worst));
  }

  return {
    get running() {
      return running;
    },
    get newTokenCount() {
      return newTokenCount;
    },
    advance(candidates, { endsAll }) {
      newTokenCount += 1;
      const next = goOn(candidates);
      slots = finish(candidates);
      running = next.map(({ candidate, score }) => ({
        ...continued(running[candidate.beam] ?? emptyHistory, candidate),
        score,
      }));
      canImprove &&= mayImprove();
      const isFull = earlyStopping === true && areAllDone();
      // Where fewer tokens are possible, the candidates that are missing do not end.
      const haveAllEnded =
        endsAll || (candidates.length >= rankedCount && candidates.every(({ reason }) => reason !== null));
      const isDone = !canImprove || isFull || haveAllEnded || running.length === 0;
      if (isDone) running = [];
      return {
        isDone,
        next: isDone ? [] : next.map(({ candidate: { beam: parent, token } }) => ({ parent, token })),
      };
    },
    // A place where nothing finished is returned like one that did, if that many are asked for: as a rule it is empty.
    finished: () => slots.map(({ reason, ...slot }) => ({ ...slot, reason: reason ?? "length" })),
    get finishedCount() {
      return slots.filter(({ reason }) => reason !== null).length;
    },
  };
}

/** A float32 by a number that becomes one; its reciprocal is not rounded. */
function divide(score: number, divisor: number): number {
  return Math.fround(score / Math.fround(divisor));
}
