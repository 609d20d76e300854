// Port: the one model the engine decodes with. `@corral/llama` implements it over llama.cpp,
// `testing/fake-model.ts` without weights. Knows nothing of runs, prompts or sampling.

import type { StepPlan } from "./scheduler/step-plan.ts";

/** What a wanted row holds: scores of the next token, or the hidden state they are made of. */
export type OutputKind = "logits" | "embedding";

/** What the model and its context allow; constant over the runner's life. */
export interface ModelRunnerLimits {
  /** Sequence ids that may be live at once: slots are `[0, slotCount)`. */
  readonly slotCount: number;
  /** Cells of the unified KV cache, shared by all slots. */
  readonly cellCount: number;
  /** Most tokens of one `decode`. */
  readonly maxBatchTokenCount: number;
  /** Most rows of one `decode`, of both kinds together; at least `slotCount`. */
  readonly maxRowCount: number;
  /** Most tokens of one sequence, prompt included (the model's context length as configured). */
  readonly contextLength: number;
  /** Length of a row of logits. */
  readonly vocabSize: number;
}

/** Half-open range of positions `[start, end)`. */
export interface PositionRange {
  readonly start: number;
  readonly end: number;
}

/** The rows of one decoded plan. */
export interface StepOutputs {
  /** Rows in plan order: entry by entry, output by output. */
  readonly rowCount: number;
  /**
   * Raw logits of one row, shape `[vocabSize]`, float32. The runner owns the buffer: a view, read-only,
   * valid until the next `decode`. Only of rows whose entry asks for logits.
   */
  logits(row: number): Float32Array;
  /**
   * Hidden state of one row after the model's last norm, shape `[embeddingLength]`, float32; lifetime and owner as of
   * `logits`. Only of rows whose entry asks for embeddings.
   */
  embedding(row: number): Float32Array;
}

/**
 * Calls never overlap: the engine awaits `decode` before it calls anything else.
 * Misuse (a slot or range out of bounds, too many tokens) is refused with an exception before native code sees it.
 */
export interface ModelRunner {
  readonly limits: ModelRunnerLimits;
  /**
   * Computes the plan's tokens, with its adapter, into the KV cache and gives the requested rows.
   * Fails with code `out_of_cells` (nothing of the plan is then computed) or `decode_failed`, also for
   * an adapter that it does not know.
   */
  decode(plan: StepPlan): Promise<StepOutputs>;
  /** Makes `target` share the source's cells of `range`; `target` must hold no cell of that range. */
  copySequence(source: number, target: number, range: PositionRange): void;
  /** Drops the slot's cells of `range`; without a range all of them. */
  removeSequence(slot: number, range?: PositionRange): void;
  /**
   * The slot's cells as bytes, for a runner of the same weights, precision and cell type. Valid until the next
   * sequence is saved.
   */
  saveSequence(slot: number): Promise<Uint8Array>;
  /**
   * Fills the empty slot with the `tokenCount` cells of such bytes. False, with the slot still empty, where they do
   * not fit this runner or there is no room; bytes that were altered are the caller's to find out.
   */
  restoreSequence(slot: number, state: Uint8Array, tokenCount: number): Promise<boolean>;
  [Symbol.dispose](): void;
}
