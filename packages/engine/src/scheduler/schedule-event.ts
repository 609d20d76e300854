// What a commit has to tell the world, in order. Derived from the transitions, so that none can be forgotten.

import type { FinishReason } from "@corral/contract";
import type { GroupEnd } from "../group.ts";
import type { RecordedToken } from "../recorded-token.ts";
import type { FinishedBeam } from "./outcome.ts";

export type ScheduleEvent =
  /** `cachedTokenCount`: tokens of its prompt that were computed before. */
  | {
      readonly kind: "admitted";
      readonly group: string;
      readonly atMs: number;
      readonly cachedTokenCount: number;
    }
  /** Tokens of its prompt that another group has computed while this one waited for them. */
  | { readonly kind: "prefix_shared"; readonly group: string; readonly tokenCount: number }
  | {
      readonly kind: "emitted";
      readonly group: string;
      readonly row: number;
      readonly tokens: readonly number[];
      /** By token; absent where nothing is recorded. */
      readonly recorded?: readonly RecordedToken[];
    }
  | {
      readonly kind: "row_finished";
      readonly group: string;
      readonly row: number;
      readonly reason: FinishReason;
      /** Absent where it was not found by beam search. */
      readonly beam?: FinishedBeam;
    }
  /** Exactly once per accepted group, and its last event. */
  | { readonly kind: "ended"; readonly group: string; readonly end: GroupEnd };
