// What became of the prefixes that a step moved to and from the store, as data for the scheduler.

import type { WrittenPrefix } from "../prefix-store.ts";

export type PrefixMove =
  | {
      readonly kind: "saved";
      readonly tokenCount: number;
      readonly tookMs: number;
      /** Null where it could not be written. */
      readonly written: WrittenPrefix | null;
    }
  | {
      readonly kind: "restored";
      readonly moveId: number;
      readonly slot: number;
      readonly key: string;
      readonly tokenCount: number;
      readonly tookMs: number;
      /** False: the slot is still empty. */
      readonly ok: boolean;
    };
