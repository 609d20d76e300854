// What is kept of the scores behind a generated token, for the answer. Plain data, owned by whoever holds it.

import type { ScoredToken } from "./logits/top-scores.ts";

/** Scores of the chosen token and of the best ones: descending, equal ones in order of id, none of -Infinity. */
export interface TopScores {
  readonly chosen: number;
  readonly top: readonly ScoredToken[];
}

/** A whole row, shape `[vocabSize]`, float32, perhaps shared with other sequences; or the best of it. */
export type RecordedRow = Float32Array | TopScores;

export interface RecordedToken {
  /** As they were when the token was picked from them, all processors and warpers applied. Null: not asked for. */
  readonly scores: RecordedRow | null;
  /** As the model gave them. Null: not asked for. */
  readonly logits: RecordedRow | null;
  /** Log-softmax of what the model gave. Null: not asked for. */
  readonly logprobs: TopScores | null;
}
