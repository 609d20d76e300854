// One group of a diverse beam search: it searches by itself, as transformers 4 does, with scores in which the tokens of
// earlier groups count. Pure; knows neither the other groups nor how candidates are found.

import { continued, emptyHistory, type BeamCandidate, type BeamSearch, type RunningBeam } from "./beam.ts";
import { createBeamHypotheses, type BeamHypothesesOptions } from "./beam-hypotheses.ts";

export interface GroupBeamSearchOptions extends Omit<BeamHypothesesOptions, "count"> {
  /** Of this group; at least 1. */
  readonly beamCount: number;
  /** Beams of the groups before it: its own are counted from there. */
  readonly firstBeam: number;
}

/**
 * Source: transformers 4.46.3, generation/utils.py, _group_beam_search, and beam_search.py, BeamSearchScorer. Deviates:
 * a beam ends with a stop string as with an end token, where there all beams must end in one step for that, and
 * `beamIndices` are of the own group, where there a finished sequence has the first group's.
 */
export function createGroupBeamSearch(options: GroupBeamSearchOptions): BeamSearch {
  const { beamCount, firstBeam } = options;
  const hypotheses = createBeamHypotheses({ ...options, count: beamCount });
  let running: readonly RunningBeam[] = [{ ...emptyHistory, score: 0 }];
  let newTokenCount = 0;

  function extended(candidate: BeamCandidate): RunningBeam {
    const history = running[candidate.beam] ?? emptyHistory;
    const beam = firstBeam + candidate.beam;
    return { ...continued(history, { ...candidate, beam }), score: candidate.score };
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
      const { ended, next } = splitCandidates(candidates, beamCount);
      for (const candidate of ended)
        hypotheses.add(extended(candidate), candidate.reason, candidate.score, newTokenCount);
      const isFull = hypotheses.isDone(candidates[0]?.score ?? -Infinity, newTokenCount);
      const goingOn = next.map(extended);
      if (endsAll && !isFull) {
        for (const [place, beam] of goingOn.entries())
          hypotheses.add(beam, next[place]?.reason ?? "length", beam.score, newTokenCount);
      }
      const isDone = isFull || endsAll || goingOn.length === 0;
      running = isDone ? [] : goingOn;
      return { isDone, next: next.map(({ beam: parent, token }) => ({ parent, token })) };
    },
    finished: () => hypotheses.best(),
    get finishedCount() {
      return hypotheses.size;
    },
  };
}

/** A candidate that ends its sequence by itself, and not for its length or the time. */
export type EndedCandidate = BeamCandidate & { readonly reason: "stop" | "stop_sequence" };

/** By rank: those that end, if they are among the best `beamCount`, and as many as that which go on. */
export function splitCandidates(
  candidates: readonly BeamCandidate[],
  beamCount: number,
): { readonly ended: readonly EndedCandidate[]; readonly next: readonly BeamCandidate[] } {
  const ended: EndedCandidate[] = [];
  const next: BeamCandidate[] = [];
  for (const [rank, candidate] of candidates.entries()) {
    if (next.length === beamCount) break;
    if (!endsItself(candidate)) next.push(candidate);
    else if (rank < beamCount) ended.push(candidate);
  }
  return { ended, next };
}

export function endsItself(candidate: BeamCandidate): candidate is EndedCandidate {
  return candidate.reason === "stop" || candidate.reason === "stop_sequence";
}
