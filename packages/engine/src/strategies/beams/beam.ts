// The words of beam search: what is under way, what may come next, what is done. Plain data.

import type { FinishReason } from "@corral/contract";
import type { RecordedToken } from "../../recorded-token.ts";

/** What a beam has been given beyond the prompt, oldest first; all lists are as long as `ids`. */
export interface BeamHistory {
  readonly ids: readonly number[];
  /** For each id the beam that it continued, by its place in that step; at first that is 0. */
  readonly beamIndices: readonly number[];
  /** Empty where nothing is recorded. */
  readonly recorded: readonly RecordedToken[];
}

export const emptyHistory: BeamHistory = { ids: [], beamIndices: [], recorded: [] };

/** A beam that goes on. */
export interface RunningBeam extends BeamHistory {
  /** Sum of the log-probabilities of its ids, as processed; float32. */
  readonly score: number;
}

/** One more token for one of the running beams. */
export interface BeamCandidate {
  /** Its place among the running beams. */
  readonly beam: number;
  readonly token: number;
  /** The beam's score with the token's added; float32. */
  readonly score: number;
  /** Why the sequence would end with the token; null: it goes on. */
  readonly reason: FinishReason | null;
  /** Absent where nothing is recorded. */
  readonly recorded?: RecordedToken;
}

/** A sequence that may be returned. */
export interface Hypothesis extends BeamHistory {
  /** As `sequences_scores`, penalised by length: float32, or the double that is rounded to it at the end. */
  readonly score: number;
  readonly reason: FinishReason;
}

export interface BeamStep {
  /**
   * The beams that go on, in order, and the place of each one's parent. Where the search is done they do not, and only
   * other groups of beams still ask for their tokens.
   */
  readonly next: readonly { readonly parent: number; readonly token: number }[];
  readonly isDone: boolean;
}

/**
 * A search over the continuations of one prompt. Begins with one running beam, the prompt alone, and is asked to
 * advance until it is done.
 */
export interface BeamSearch {
  readonly running: readonly RunningBeam[];
  /** Steps so far. */
  readonly newTokenCount: number;
  /** Tokens whose scores it wants to know for a running beam, however they rank; absent: of none. A token may repeat. */
  readonly wantedOf?: (beam: number) => readonly number[];
  /** Goes on by one token. `candidates` in the order of their rank; without any the search is done. */
  advance(candidates: readonly BeamCandidate[], step: BeamStepConditions): BeamStep;
  /** What would be returned if the search ended here, best first; places where nothing has finished are empty. */
  finished(): readonly Hypothesis[];
  /** Places where something has. */
  readonly finishedCount: number;
}

export interface BeamStepConditions {
  /** Whatever the token, the sequence ends with it: for its length, or for the time. */
  readonly endsAll: boolean;
  /** Of what is wanted, what is possible; absent: nothing. */
  readonly wanted?: readonly BeamCandidate[];
}

export function continued(
  history: BeamHistory,
  { beam, token, recorded }: Pick<BeamCandidate, "beam" | "token" | "recorded">,
): BeamHistory {
  return {
    ids: [...history.ids, token],
    beamIndices: [...history.beamIndices, beam],
    recorded: recorded === undefined ? history.recorded : [...history.recorded, recorded],
  };
}
