// The data of one step: which tokens of which sequence are computed, and which rows of outputs are needed.
// Plain values; knows neither how they were chosen nor how they are computed.

import type { OutputKind } from "../model-runner.ts";

/** One sequence's share of a step. */
export interface PlanEntry {
  /** The slot (the model runner's sequence id) the tokens belong to, in `[0, slotCount)`. */
  readonly slot: number;
  /** Position of `tokens[0]`; the cells `[0, start)` of this slot are computed already. */
  readonly start: number;
  /** Token ids for the positions `[start, start + tokens.length)`, at least one. */
  readonly tokens: readonly number[];
  /** Indices into `tokens`, ascending, whose rows are needed: usually none (a chunk) or the last. */
  readonly outputs: readonly number[];
  /** Of what kind they are. Default: logits. */
  readonly outputKind?: OutputKind;
}

/** One forward pass over the batch. Entries are ordered by slot, each slot at most once. */
export interface StepPlan {
  readonly entries: readonly PlanEntry[];
  /** Sum of `tokens.length` over the entries; at most the runner's `maxBatchTokenCount`. */
  readonly tokenCount: number;
  /** The LoRA adapter that all of it is computed with, by the key the runner knows it by; null: none. */
  readonly adapter: string | null;
  readonly isEmpty: boolean;
}

/** Builds a plan from entries in any order. */
export function createStepPlan(entries: readonly PlanEntry[], adapter: string | null = null): StepPlan {
  const ordered = [...entries].sort((a, b) => a.slot - b.slot);
  const tokenCount = ordered.reduce((sum, entry) => sum + entry.tokens.length, 0);
  return { entries: ordered, tokenCount, adapter, isEmpty: ordered.length === 0 };
}
