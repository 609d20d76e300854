// Word from process to process over the database: that there is work, and that a replica's run is to end. A word may be
// lost, so whoever listens also looks from time to time.

import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "pino";
import type { Pool } from "pg";

const workChannel = "corral_queue";
const cancelChannel = "corral_cancel";
/** Words about work that come within this time are one. */
const coalesceMs = 5;
const reconnectMs = 1_000;

export interface SignalHandlers {
  readonly onWork: () => void;
  readonly onCancel: (replicaId: string, runId: string) => void;
}

export interface Signals {
  /** There is something in the queue; told to this process at once. To be called after the commit. */
  work(): void;
  cancel(replicaId: string, runId: string): void;
  close(): Promise<void>;
}

export function openSignals(pool: Pool, log: Logger, { onWork, onCancel }: SignalHandlers): Signals {
  let closed = false;
  let timer: NodeJS.Timeout | null = null;
  const over = new AbortController();

  const notify = (channel: string, payload: string) => {
    // Whoever listens looks from time to time anyway.
    pool.query("select pg_notify($1, $2)", [channel, payload]).catch((error: unknown) => {
      log.debug({ err: String(error) }, "a word about the queue was lost");
    });
  };

  const listen = async (): Promise<void> => {
    const client = await pool.connect();
    const lost = Promise.withResolvers<void>();
    client.on("notification", ({ channel, payload = "" }) => {
      if (channel === workChannel) return onWork();
      const [replicaId, runId] = payload.split(" ");
      if (replicaId !== undefined && runId !== undefined) onCancel(replicaId, runId);
    });
    client.on("error", () => lost.resolve());
    client.on("end", () => lost.resolve());
    over.signal.addEventListener("abort", () => lost.resolve(), { once: true });
    try {
      if (closed) return;
      await client.query(`listen ${workChannel}`);
      await client.query(`listen ${cancelChannel}`);
      // What came while nobody listened.
      onWork();
      await lost.promise;
    } finally {
      client.release(true);
    }
  };

  const listening = (async () => {
    while (!closed) {
      await listen().catch((error: unknown) => {
        if (!closed) log.warn({ err: String(error) }, "nothing is heard of the queue; it is looked at");
      });
      if (!closed)
        await sleep(reconnectMs, undefined, { ref: false, signal: over.signal }).catch(() => undefined);
    }
  })();

  return {
    work() {
      onWork();
      if (timer !== null || closed) return;
      timer = setTimeout(() => {
        timer = null;
        notify(workChannel, "");
      }, coalesceMs);
    },
    cancel(replicaId, runId) {
      onCancel(replicaId, runId);
      if (!closed) notify(cancelChannel, `${replicaId} ${runId}`);
    },
    async close() {
      closed = true;
      clearTimeout(timer ?? undefined);
      over.abort();
      await listening;
    },
  };
}
