// The words of the engine's public face: what is asked of it, what it reports, what it answers.
// Token ids in, ids and text out; knows nothing of HTTP, runs or prompts as text.

import type { FinishReason, ServingError } from "@corral/contract";
import type { EvaluationHandle, EvaluationRequest } from "./evaluation.ts";
import type { GenerationCounts } from "./generation-statistics.ts";
import type { RecordedToken, TopScores } from "./recorded-token.ts";
import type { FinishedBeam } from "./scheduler/outcome.ts";
import type { StepCounts } from "./scheduler/step-statistics.ts";
import type { DraftedCounts } from "./strategies/draft-counts.ts";
import type { StepTimeCounts } from "./step-times.ts";
import type { ValidGeneration } from "./valid-generation.ts";

/** What is asked of the engine about a prompt, whatever that is. */
export interface PromptRequest {
  /** Unique among what is queued or running. */
  readonly id: string;
  /** At least one id. */
  readonly promptIds: readonly number[];
  /** Whom it is done for: a key or a project. */
  readonly owner: string;
  /** The owner's weight, above 0, among others who want the engine; 2 gets twice what 1 gets. Default 1. */
  readonly weight?: number;
  /** Higher is served first; among equals the owner who has had less, and an owner's own in order of arrival. */
  readonly priority: number;
  /** By the engine's clock; what is not done by then ends with code `timeout`. */
  readonly deadlineAtMs: number | null;
  /** By the engine's clock; what was not begun by then ends with code `timeout`. Default null: none. */
  readonly queueDeadlineAtMs?: number | null;
  /** Prefixes are shared within the same namespace only: a project's, say. Default: the empty one. */
  readonly namespace?: string;
  /**
   * The LoRA adapter to compute with, by the key that the runner knows it by. The key stands for the adapter's content:
   * prefixes are shared and kept within it. Default: none.
   */
  readonly adapter?: string | null;
  /** By the engine's clock; when the call arrived that it is for. Default: now. Only counted with. */
  readonly receivedAtMs?: number;
}

export interface GenerationRequest extends PromptRequest {
  /** Resolved for the very length of `promptIds`. */
  readonly generation: ValidGeneration;
  /** Which prompt of a call with several this is; a part of the key of the random draws. Default 0. */
  readonly promptIndex?: number;
  /** Where the generation names no seed; default: the engine draws one. */
  readonly seed?: number;
  /** It goes on for a call that had its place in the queue: it is never refused for want of one. Default false. */
  readonly hasPlace?: boolean;
  /** Leave special tokens out of the text. Default true. */
  readonly skipSpecialTokens?: boolean;
  /**
   * Cut the text before the stop string that ended it, as OpenAI does, and hold back what may be the beginning of one;
   * the ids stay whole. Default false: the text keeps it, as in Hugging Face.
   */
  readonly stripsStopStrings?: boolean;
}

/** Token counts so far; final in the result. */
export interface GenerationUsage {
  readonly promptTokenCount: number;
  /** Prompt tokens taken from the prefix cache. */
  readonly cachedTokenCount: number;
  /** Over all returned sequences, end tokens included. */
  readonly generatedTokenCount: number;
}

export interface GenerationTimings {
  /** From submission to admission. */
  readonly queueMs: number;
  /** From admission to the first token. */
  readonly prefillMs: number;
  /** From the first token to the end. Run time is `prefillMs + decodeMs`. */
  readonly decodeMs: number;
}

export interface GeneratedSequence {
  /** New ids only; the end token, where one was chosen, is the last. */
  readonly ids: readonly number[];
  /** decode(prompt + ids) minus decode(prompt); without a stop string where the request strips it. */
  readonly text: string;
  readonly finishReason: FinishReason;
  readonly generatedTokenCount: number;
  /** What was asked to be kept of the scores behind each of `ids`; absent where nothing was, or there are no ids. */
  readonly recorded?: readonly RecordedToken[];
  /** Absent where it was not found by beam search, or not found at all. */
  readonly beam?: FinishedBeam;
}

export interface GenerationResult {
  /** In order of their index; after a failure or an abort, what they had got to. */
  readonly sequences: readonly GeneratedSequence[];
  /** The rows of new ids, the shorter ones filled with the pad token as Hugging Face returns them. */
  readonly paddedIds: readonly (readonly number[])[];
  readonly usage: GenerationUsage;
  readonly timings: GenerationTimings;
  /** The seed that was used, given or drawn. */
  readonly seed: number;
  /**
   * Null when every sequence ended by itself. `aborted`, `timeout`, `decode_failed`, `out_of_cells`,
   * `no_token_possible`, `shutting_down` or `internal` otherwise.
   */
  readonly error: ServingError | null;
}

export type GenerationEvent =
  | { readonly kind: "admitted"; readonly atMs: number }
  | { readonly kind: "first_token"; readonly atMs: number }
  /** New ids of one sequence and the text they complete, which may be empty. */
  | {
      readonly kind: "text";
      readonly sequence: number;
      readonly text: string;
      readonly ids: readonly number[];
      /** By id, where they were asked for. */
      readonly logprobs?: readonly TopScores[];
    }
  | { readonly kind: "finished"; readonly sequence: number; readonly reason: FinishReason }
  /** Always the last event, exactly once. */
  | { readonly kind: "ended"; readonly result: GenerationResult };

/**
 * One generation. Iterating gives its events, once; a consumer that is slow finds neighbouring text events of a
 * sequence merged. `result` is fulfilled in every case (see its `error`) and never rejects.
 * Disposing aborts what is not done and waits for the end.
 */
export interface GenerationHandle extends AsyncIterable<GenerationEvent>, AsyncDisposable {
  readonly id: string;
  readonly result: Promise<GenerationResult>;
  /** Counts as of the last step. */
  readonly usage: GenerationUsage;
  abort(): void;
}

export interface EngineLoad extends StepCounts, StepTimeCounts, DraftedCounts {
  readonly runningSequenceCount: number;
  readonly runningGroupCount: number;
  readonly waitingGroupCount: number;
  /** Cells and slots that running sequences hold, and those that are only kept for their prefix. */
  readonly usedCellCount: number;
  readonly keptCellCount: number;
  readonly cellCount: number;
  readonly usedSlotCount: number;
  readonly keptSlotCount: number;
  readonly slotCount: number;
  readonly generations: GenerationCounts;
}

export interface SubmitOptions {
  readonly signal?: AbortSignal;
}

export interface Engine {
  /**
   * Queues a generation. Throws `ServingError`: `queue_full` (with `retryAfterSeconds`), `out_of_cells` where it could
   * never fit, `shutting_down` after `stop`, `engine_misuse` where the request contradicts itself.
   */
  submit(request: GenerationRequest, options?: SubmitOptions): GenerationHandle;
  /** Queues an evaluation, as `submit` does; also `prompt_too_long`. */
  evaluate(request: EvaluationRequest, options?: SubmitOptions): EvaluationHandle;
  load(): EngineLoad;
  /** The loop. Resolves after `stop`; rejects on an error that is not of one step. Call it once. */
  run(): Promise<void>;
  /** Ends the loop: after everything submitted is done (`drain`), or by aborting it. Resolves when `run` has ended. */
  stop(options: { readonly drain: boolean }): Promise<void>;
}
