// What a strategy decides after a step, as data. Sequences are the model's side (slots, cells, known ids);
// rows are the caller's side (what is returned). In sampling they go together, in beam search they do not.

import type { ErrorCode, FinishReason } from "@corral/contract";
import type { RecordedToken } from "../recorded-token.ts";

/** What beam search has to say of a returned sequence. */
export interface FinishedBeam {
  /** As `sequences_scores`: sum of log-probabilities over a power of the length; float32. */
  readonly score: number;
  /** For each id the place of the beam that it continued. */
  readonly indices: readonly number[];
}

/** Applied in the order given. Sequences are named by their id within the group. */
export type Outcome =
  /** `tokens` become known; the rows of all of them are wanted, which verifies several at once. */
  | { readonly kind: "append"; readonly sequence: number; readonly tokens: readonly number[] }
  /** A new sequence `target` with the ids and cells of `source` as it now stands. Takes one of the group's slots. */
  | { readonly kind: "fork"; readonly source: number; readonly target: number }
  /** Only the ids `[0, to)` stay known; cells beyond are dropped. */
  | { readonly kind: "rollback"; readonly sequence: number; readonly to: number }
  /** The sequence ends without leaving a trace; its slot goes back to the group, for another fork. */
  | { readonly kind: "release"; readonly sequence: number }
  /** The sequence is done: it ends, its slot leaves the group, and its prefix may be kept for others. */
  | { readonly kind: "retire"; readonly sequence: number }
  /** `tokens` are the next ids of the returned row, for good; `recorded` by token, where anything is recorded. */
  | {
      readonly kind: "emit";
      readonly row: number;
      readonly tokens: readonly number[];
      readonly recorded?: readonly RecordedToken[];
    }
  /** Nothing more will be emitted for the row. `beam`: where it was found by beam search. */
  | {
      readonly kind: "finish";
      readonly row: number;
      readonly reason: FinishReason;
      readonly beam?: FinishedBeam;
    };

/**
 * What becomes of one group. After `advance` every sequence that still lives must have an uncomputed token;
 * a group without living sequences has ended.
 */
export type GroupOutcome =
  | { readonly kind: "advance"; readonly outcomes: readonly Outcome[] }
  | {
      readonly kind: "fail";
      readonly code: ErrorCode;
      readonly detail: string;
      readonly cause?: unknown;
    };

/** By group id. Groups of the step without an entry only had a chunk computed. */
export type StepOutcomes = ReadonlyMap<string, GroupOutcome>;
