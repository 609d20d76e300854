// Looks at runs that somebody follows, all of a process in one question at a time: from whichever process they are
// written. Knows no stream.

import { readWatchedRuns, type WatchedRun } from "../../store/run-streams.ts";
import type { Store } from "../../store/store.ts";
import { batchLookups } from "../../gateway/batch.ts";

export interface RunWatch {
  /** The run as it is at the next look; null: there is none of that id. */
  next(id: string): Promise<WatchedRun | null>;
  /** The run as it is now. */
  now(id: string): Promise<WatchedRun | null>;
}

/** Replicas report every 250 ms at the latest. */
const lookEveryMs = 100;

export function createRunWatch(store: Pick<Store, "db" | "pool">, everyMs = lookEveryMs): RunWatch {
  const now = batchLookups<WatchedRun>((ids) => readWatchedRuns(store, ids));
  let tick: Promise<void> | null = null;
  const nextTick = () =>
    (tick ??= new Promise((resolve) => {
      setTimeout(() => {
        tick = null;
        resolve();
      }, everyMs);
    }));
  return {
    now,
    async next(id) {
      await nextTick();
      return await now(id);
    },
  };
}
