// The sequences of one generation: admitted together, ended together. Knows what the group may take, not what it is for.

import type { ErrorCode } from "@corral/contract";
import type { OutputKind } from "./model-runner.ts";
import type { Sequence } from "./sequence.ts";

/** Which rows of its contexts a group wants. */
export interface GroupOutputs {
  readonly kind: OutputKind;
  /** Those of every position, which may come over several steps, a part in each; else the last one's. */
  readonly everyPosition: boolean;
}

/** What the scheduler is told of a generation. */
export interface GroupSpec {
  readonly id: string;
  readonly owner: string;
  /** Above 0. */
  readonly weight: number;
  readonly priority: number;
  readonly deadlineAtMs: number | null;
  /** A group that was not admitted by then ends; null: it waits as long as it must. */
  readonly queueDeadlineAtMs: number | null;
  /** Prefixes are shared within a namespace only. */
  readonly namespace: string;
  /** Steps hold groups of one adapter only. Absent or null: the model as it is. */
  readonly adapter?: string | null;
  /**
   * The ids its first sequences start with, one list each: the prompt; a second one for classifier-free guidance.
   * Sequence i began with context i, or was forked from one that began with context i modulo their number.
   */
  readonly contexts: readonly (readonly number[])[];
  /** Default: the logits of the last position. */
  readonly outputs?: GroupOutputs;
  /** It goes on for a group that had its place in the queue: it is never refused for want of one. Default false. */
  readonly hasPlace?: boolean;
  /** Most sequences that live at once. */
  readonly slotCount: number;
  /** Most cells they hold at once, shared ones counted once. */
  readonly cellCount: number;
}

/** How many ids of a sequence are those that it, or the one it was forked from, began with. */
export function contextLengthOf({ contexts }: GroupSpec, sequenceId: number): number {
  return contexts[sequenceId % contexts.length]?.length ?? 0;
}

/** How a group ended: by its own outcomes, or with an error (an abort is one). */
export type GroupEnd =
  | { readonly kind: "done" }
  | {
      readonly kind: "failed";
      readonly code: ErrorCode;
      readonly detail: string;
      readonly cause?: unknown;
    };

export interface Group {
  readonly spec: GroupSpec;
  /** Order of submission. */
  readonly arrival: number;
  /** Empty before it is first admitted; a preempted group keeps its sequences and their ids, without slots. */
  readonly sequences: Map<number, Sequence>;
  /** Slots it may use at once: `spec.slotCount`, less one for each sequence that was retired. */
  slotCount: number;
  /** Slots it holds and no sequence uses. Invariant: with the sequences' slots, `slotCount` while it runs. */
  readonly spareSlots: number[];
  readonly finishedRows: Set<number>;
  computedTokenCount: number;
  /** When it first took its slots; null before that. */
  admittedAtMs: number | null;
  /** Since it last took its slots. */
  hasComputedSinceEntry: boolean;
  /** Set when it must end; it does at the next plan or commit. */
  ending: GroupEnd | null;
}

export function createGroup(spec: GroupSpec, arrival: number): Group {
  return {
    spec,
    arrival,
    sequences: new Map(),
    slotCount: spec.slotCount,
    spareSlots: [],
    finishedRows: new Set(),
    computedTokenCount: 0,
    admittedAtMs: null,
    hasComputedSinceEntry: false,
    ending: null,
  };
}
