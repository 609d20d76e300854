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
  | { readonly kind: "remove"; readonly slot: number; readonly range: PositionRange };
