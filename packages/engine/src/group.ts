// The sequences of one generation: admitted together, ended together. Knows what the group may take, not what it is for.

import type { ErrorCode } from "@corral/contract";
import type { Sequence } from "./sequence.ts";

/** What the scheduler is told of a generation. */
export interface GroupSpec {
  readonly id: string;
  readonly owner: string;
  readonly priority: number;
  readonly deadlineAtMs: number | null;
  /** The ids its first sequences start with, one list each: the prompt; a second one for classifier-free guidance. */
  readonly contexts: readonly (readonly number[])[];
  /** Most sequences that live at once. */
  readonly slotCount: number;
  /** Most cells they hold at once, shared ones counted once. */
  readonly cellCount: number;
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
  /** Empty while waiting. */
  readonly sequences: Map<number, Sequence>;
  /** Slots it holds and no sequence uses. Invariant: with the sequences' slots, `spec.slotCount` once admitted. */
  readonly spareSlots: number[];
  readonly finishedRows: Set<number>;
  computedTokenCount: number;
  /** Set when it must end; it does at the next plan or commit. */
  ending: GroupEnd | null;
}

export function createGroup(spec: GroupSpec, arrival: number): Group {
  return {
    spec,
    arrival,
    sequences: new Map(),
    spareSlots: [],
    finishedRows: new Set(),
    computedTokenCount: 0,
    ending: null,
  };
}
