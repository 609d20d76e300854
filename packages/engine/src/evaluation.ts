// The words for evaluations: what the engine says of a text that is given, without generating any. Token ids in,
// numbers out.

import type { ServingError } from "@corral/contract";
import type { ScoredToken } from "./logits/top-scores.ts";
import type { GenerationTimings, GenerationUsage, PromptRequest } from "./generation.ts";

export type { ScoredToken };

/** Which hidden states, after the model's last norm, make up an embedding: the mean of all, the last or the first. */
export type Pooling = "mean" | "last" | "cls";

export type Evaluation =
  /** How probable each id is after those before it; with the `topCount` most probable ids of its place. */
  | { readonly kind: "scores"; readonly topCount: number }
  /** One vector for the whole text, of length 1 where `normalize` asks for it. */
  | { readonly kind: "embedding"; readonly pooling: Pooling; readonly normalize: boolean };

export interface EvaluationRequest extends PromptRequest {
  readonly evaluation: Evaluation;
  /** It goes on for a call that had its place in the queue: never refused with `queue_full`. Default false. */
  readonly hasPlace?: boolean;
}

export interface ScoredText {
  readonly kind: "scores";
  /** Natural logarithms in float32, one for each id but the first, which nothing stands before. */
  readonly logProbabilities: readonly number[];
  /** By place, as `logProbabilities`; descending, equal ones in order of id. Empty lists where none were asked for. */
  readonly top: readonly (readonly ScoredToken[])[];
}

export interface EmbeddedText {
  readonly kind: "embedding";
  /** Shape `[embeddingLength]`. */
  readonly vector: Float32Array;
}

export type EvaluationOutput = ScoredText | EmbeddedText;

export interface EvaluationResult {
  /** Null where there is an error. */
  readonly output: EvaluationOutput | null;
  readonly usage: GenerationUsage;
  /** Everything from admission to the end is `prefillMs`. */
  readonly timings: GenerationTimings;
  /** `aborted`, `timeout`, `decode_failed`, `out_of_cells`, `shutting_down` or `internal`. */
  readonly error: ServingError | null;
}

/** One evaluation. `result` is fulfilled in every case and never rejects; disposing aborts and waits for the end. */
export interface EvaluationHandle extends AsyncDisposable {
  readonly id: string;
  readonly result: Promise<EvaluationResult>;
  /** Counts as of the last step. */
  readonly usage: GenerationUsage;
  abort(): void;
}
