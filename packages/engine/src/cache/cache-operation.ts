// What must happen to the KV cache between two steps, as data: the scheduler decides it, the engine does it.

import type { PositionRange } from "../model-runner.ts";

export type CacheOperation =
  | {
      readonly kind: "copy";
      readonly source: number;
      readonly target: number;
      readonly range: PositionRange;
    }
  /** Drops the cells of `range`. */
  | { readonly kind: "remove"; readonly slot: number; readonly range: PositionRange }
  /** Writes the slot's cells, which are those of `ids`, to the store. */
  | {
      readonly kind: "save";
      readonly slot: number;
      readonly namespace: string;
      readonly ids: readonly number[];
    }
  /** Fills the empty slot with `tokenCount` cells from the store. */
  | {
      readonly kind: "restore";
      /** Tells it from another one of the same slot. */
      readonly moveId: number;
      readonly slot: number;
      readonly key: string;
      readonly tokenCount: number;
    };
