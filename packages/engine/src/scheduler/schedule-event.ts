// What a commit has to tell the world, in order. Derived from the transitions, so that none can be forgotten.

import type { FinishReason } from "@corral/contract";
import type { GroupEnd } from "../group.ts";

export type ScheduleEvent =
  | { readonly kind: "admitted"; readonly group: string; readonly atMs: number }
  | {
      readonly kind: "emitted";
      readonly group: string;
      readonly row: number;
      readonly tokens: readonly number[];
    }
  | {
      readonly kind: "row_finished";
      readonly group: string;
      readonly row: number;
      readonly reason: FinishReason;
    }
  /** Exactly once per accepted group, and its last event. */
  | { readonly kind: "ended"; readonly group: string; readonly end: GroupEnd };
