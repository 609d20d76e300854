// Writes what replicas report about runs. Reports of many replicas share a commit, and a number is answered only
// when it is committed: that is what the last byte of a call's answer waits for. Knows no channel and no route.

import { ServingError, type Report } from "@corral/contract";
import { setImmediate as nextTurn, setTimeout as sleep } from "node:timers/promises";
import { inTransaction, isPassing, withRetry } from "../store/retry.ts";
import type { Store } from "../store/store.ts";
import type { Batch } from "./fold-reports.ts";
import { writeBatches, writeKnown } from "./write-changes.ts";

export interface RunRecorder {
  /**
   * Resolves with the highest number of the replica up to which every report is committed: less than the last one
   * given where a number between was never seen. Reports that were committed before change nothing.
   * Fails with `database_unavailable` when the database stays away; the same reports may then be given again.
   */
  record(replicaId: string, reports: readonly Report[]): Promise<number>;
  /** Commits what waits and takes no more (`shutting_down`). */
  close(): Promise<void>;
}

export interface RunRecorderOptions {
  readonly store: Pick<Store, "db" | "pool">;
  readonly now: () => Date;
  /**
   * How long the first report after a pause waits for others. Default: the rest of the turn, since who reports has
   * waited for company already (`control-channel.ts`).
   */
  readonly coalesceMs?: number;
  /** How long a lost database is waited for. Default 30,000. */
  readonly retryForMs?: number;
}

interface Waiting extends Batch {
  readonly resolve: (number: number) => void;
  readonly reject: (error: unknown) => void;
}

/** Keeps a statement at a few megabytes. */
const mostBatches = 500;
/** So many replicas' numbers are remembered. */
const mostKnown = 1_000;

export function createRunRecorder(options: RunRecorderOptions): RunRecorder {
  const { store, now, coalesceMs = 0, retryForMs = 30_000 } = options;
  const waiting: Waiting[] = [];
  let draining: Promise<void> | null = null;
  let closed = false;
  /** Numbers as they were last committed here. Only a guess that saves a look: the database compares. */
  const known = new Map<string, number>();

  /** While a commit is under way the next one gathers, so only the first has to wait for company. */
  const drain = async () => {
    await (coalesceMs > 0 ? sleep(coalesceMs) : nextTurn());
    while (waiting.length > 0) await commit(waiting.splice(0, mostBatches));
    draining = null;
  };

  /** One round trip for replicas whose number is known; a look at their rows first for the others. */
  const write = async (batches: readonly Waiting[]): Promise<Map<string, number>> => {
    const guessed = batches.filter(({ replicaId }) => known.has(replicaId));
    const numbers =
      guessed.length === 0 ? new Map<string, number>() : await writeKnown(store.pool, guessed, known);
    const others = batches.filter(({ replicaId }) => !numbers.has(replicaId));
    if (others.length === 0) return numbers;
    const looked = await inTransaction(store.db, (transaction) => writeBatches(transaction, others));
    return new Map([...numbers, ...looked]);
  };

  const commit = async (batches: readonly Waiting[]): Promise<void> => {
    try {
      const numbers = await withRetry(store.db, () => write(batches), { forMs: retryForMs });
      if (known.size + numbers.size > mostKnown) known.clear();
      for (const [replicaId, number] of numbers) known.set(replicaId, number);
      for (const { replicaId, resolve } of batches) resolve(numbers.get(replicaId) ?? 0);
    } catch (error) {
      const cause = error instanceof Error ? error.cause : undefined;
      if (batches.length === 1 || isPassing(cause)) {
        for (const { reject } of batches) reject(error);
      } else {
        // One bad batch must not hold up the others: each on its own, in order.
        for (const batch of batches) await commit([batch]);
      }
    }
  };

  return {
    record(replicaId, reports) {
      if (closed) return Promise.reject(new ServingError("shutting_down", "The server is shutting down."));
      const { promise, resolve, reject } = Promise.withResolvers<number>();
      waiting.push({ replicaId, reports, at: now(), resolve, reject });
      draining ??= drain();
      return promise;
    },
    async close() {
      closed = true;
      await draining;
    },
  };
}
