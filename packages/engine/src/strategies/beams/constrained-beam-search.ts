// Beam search in which given words must come: beside the best continuations, those that take a word on compete, and
// sequences that are equally far with their words are taken in turns. Pure; knows not how candidates are found.

import { continued, emptyHistory, type BeamCandidate, type BeamSearch, type RunningBeam } from "./beam.ts";
import { createBeamHypotheses, type BeamHypothesesOptions } from "./beam-hypotheses.ts";
import {
  advanced,
  bankOf,
  branches,
  createConstraint,
  isFulfilled,
  progressAfter,
  type ConstraintProgress,
} from "./constraints.ts";
import { endsItself, splitCandidates } from "./group-beam-search.ts";

export interface ConstrainedBeamSearchOptions extends Omit<BeamHypothesesOptions, "count"> {
  /** At least 2. */
  readonly beamCount: number;
  readonly returnedSequenceCount: number;
  /** Of each list one word must come; at least one list. No word has an end token. */
  readonly forcedWords: readonly (readonly (readonly number[])[])[];
  /** A word that is in the prompt has come. */
  readonly promptIds: readonly number[];
}

interface ConstrainedBeam extends RunningBeam {
  readonly progress: ConstraintProgress;
}

/** A continuation with what its words have come to. */
interface Prospect {
  readonly candidate: BeamCandidate;
  readonly progress: ConstraintProgress;
}

/**
 * A sequence finishes once all words are there. At the greatest length, or when the time is over, too few such ones
 * among the running beams let all others count as well, so an answer may lack words.
 * Source: transformers 4.46.3, generation/utils.py, _constrained_beam_search, and beam_search.py,
 * ConstrainedBeamSearchScorer. Deviates: a sequence ends with a stop string as with an end token, and impossible tokens,
 * of -Infinity, are never taken for a beam, whatever word they are of.
 */
export function createConstrainedBeamSearch(options: ConstrainedBeamSearchOptions): BeamSearch {
  const { beamCount, returnedSequenceCount, forcedWords, promptIds } = options;
  const hypotheses = createBeamHypotheses({ ...options, count: beamCount });
  const start = progressAfter(forcedWords.map(createConstraint), promptIds);
  let running: readonly ConstrainedBeam[] = [{ ...emptyHistory, score: 0, progress: start }];
  let newTokenCount = 0;

  function prospectOf(candidate: BeamCandidate): Prospect {
    return { candidate, progress: advanced(running[candidate.beam]?.progress ?? start, candidate.token) };
  }

  /** The candidates that take a word on and are not among `next`. */
  function prospectsOfWords(next: readonly BeamCandidate[], wanted: readonly BeamCandidate[]): Prospect[] {
    // Equal sequences are told by their ids, as beams may be equal.
    const ids = running.map((beam) => beam.ids.join());
    const keyOf = (beam: number, token: number) => `${ids[beam] ?? ""}:${token}`;
    const known = new Set(next.map(({ beam, token }) => keyOf(beam, token)));
    const scored = new Map(wanted.map((candidate) => [`${candidate.beam}:${candidate.token}`, candidate]));
    const found: Prospect[] = [];
    for (const [beam, { progress }] of running.entries()) {
      for (const branch of branches(progress)) {
        const candidate = scored.get(`${beam}:${branch.token}`);
        const key = keyOf(beam, branch.token);
        if (candidate === undefined || known.has(key)) continue;
        known.add(key);
        found.push({ candidate, progress: branch.progress });
      }
    }
    return found;
  }

  function extended({ candidate, progress }: Prospect): ConstrainedBeam {
    const history = running[candidate.beam] ?? emptyHistory;
    return { ...continued(history, candidate), score: candidate.score, progress };
  }

  function finish(prospects: readonly Prospect[]): void {
    for (const prospect of prospects) {
      const { candidate } = prospect;
      hypotheses.add(extended(prospect), candidate.reason ?? "length", candidate.score, newTokenCount);
    }
  }

  return {
    get running() {
      return running;
    },
    get newTokenCount() {
      return newTokenCount;
    },
    wantedOf: (beam) => branches(running[beam]?.progress ?? start).map(({ token }) => token),
    advance(candidates, { endsAll, wanted = [] }) {
      newTokenCount += 1;
      const { ended, next } = splitCandidates(candidates, beamCount);
      const ofWords = prospectsOfWords(next, wanted);
      const [endedOfWords, nextOfWords] = partition(ofWords, ({ candidate }) => endsItself(candidate));
      const done = [...ended.map(prospectOf), ...endedOfWords];
      finish(done.filter(({ progress }) => isFulfilled(progress)));
      const goingOn = takeInTurns(next.map(prospectOf), nextOfWords, beamCount);
      const isFull = hypotheses.isDone(candidates[0]?.score ?? -Infinity, newTokenCount);
      if (endsAll && !isFull) {
        const [complete, lacking] = partition(goingOn, ({ progress }) => isFulfilled(progress));
        finish(complete);
        if (complete.length < returnedSequenceCount) finish(lacking);
      }
      const isDone = isFull || endsAll || goingOn.length === 0;
      running = isDone ? [] : goingOn.map(extended);
      return {
        isDone,
        next: goingOn.map(({ candidate: { beam: parent, token } }) => ({ parent, token })),
      };
    },
    finished: () => hypotheses.best(),
    get finishedCount() {
      return hypotheses.size;
    },
  };
}

/**
 * The best of each bank, the fullest bank first, then the second best of each, and so on. What has a score far below
 * others counts for a lower bank; float32, as there.
 */
function takeInTurns(
  best: readonly Prospect[],
  ofWords: readonly Prospect[],
  count: number,
): readonly Prospect[] {
  if (ofWords.length === 0) return best;
  const banked = [...best, ...ofWords].map((prospect) => {
    const bank = bankOf(prospect.progress);
    return { prospect, bank, order: Math.fround(Math.fround(bank * 100) + prospect.candidate.score) };
  });
  banked.sort((a, b) => b.order - a.order);
  let turn = 0;
  const inTurns = banked.map(({ prospect, bank }, index) => {
    turn = bank === banked[index - 1]?.bank ? turn + 1 : 0;
    return { prospect, turn };
  });
  return inTurns
    .sort((a, b) => a.turn - b.turn)
    .slice(0, count)
    .map(({ prospect }) => prospect);
}

function partition<Item>(items: readonly Item[], isFirst: (item: Item) => boolean): [Item[], Item[]] {
  return [items.filter(isFirst), items.filter((item) => !isFirst(item))];
}
