// How platform processes of one database know that another one lives: each holds an advisory lock of its id, on a
// connection of its own. The lock ends with the process, however it ends, and needs no clock.

import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "pino";
import type { Pool } from "pg";

export interface PresenceOptions {
  readonly pool: Pool;
  /** Of this process' home. */
  readonly platformId: string;
  readonly log: Logger;
  /** Others took this process for dead and ended what its replicas did: they are to be started anew. */
  readonly onGivenUp: () => void;
}

export interface Presence {
  /** From now on this process counts as gone. */
  close(): Promise<void>;
}

/** A lock that a killed process held is free at once; one of a lost machine after about 25 seconds. */
const keepAlive = `select set_config('tcp_keepalives_idle', '10', false), set_config('tcp_keepalives_interval', '5', false),
  set_config('tcp_keepalives_count', '3', false)`;
const againMs = 250;

/** In SQL, of an expression that gives a platform's id: whether its process holds its lock now. */
export function isPresent(platformId: string): string {
  // A lock of one bigint shows as two halves.
  return `exists (
    select from pg_locks
    where locktype = 'advisory' and objsubid = 1 and granted
      and database = (select oid from pg_database where datname = current_database())
      and (classid::bigint << 32) | objid::bigint = ${lockKey(platformId)})`;
}

function lockKey(platformId: string): string {
  return `hashtextextended('corral/platform/' || ${platformId}, 0)`;
}

/** Takes the lock, now and whenever it was lost with its connection. Others see it a moment later. */
export function openPresence({ pool, platformId, log, onGivenUp }: PresenceOptions): Presence {
  const over = new AbortController();
  const { signal } = over;
  let wasPresent = false;

  async function hold(): Promise<void> {
    const client = await pool.connect();
    const lost = Promise.withResolvers<void>();
    for (const event of ["error", "end"] as const) client.on(event, () => lost.resolve());
    signal.addEventListener("abort", () => lost.resolve(), { once: true });
    try {
      await client.query(keepAlive);
      const take = `select pg_try_advisory_lock(${lockKey("$1")}) as taken`;
      for (;;) {
        if (signal.aborted) return;
        const { rows } = await client.query<{ taken: boolean }>(take, [platformId]);
        if (rows[0]?.taken === true) break;
        // The server has not noticed yet that the process before this one, or its connection, is gone.
        await sleep(againMs, undefined, { signal });
      }
      const { rows } = await client.query<{ is_known: boolean }>(
        `insert into platforms (id) values ($1) on conflict (id) do update set present_since = now()
          returning xmax <> 0 as is_known`,
        [platformId],
      );
      if (wasPresent && rows[0]?.is_known !== true) onGivenUp();
      wasPresent = true;
      await lost.promise;
    } finally {
      client.release(true);
    }
  }

  const holding = (async () => {
    while (!signal.aborted) {
      await hold().catch((error: unknown) => {
        if (!signal.aborted)
          log.debug({ err: String(error) }, "other platform processes cannot see this one");
      });
      await sleep(againMs, undefined, { signal }).catch(() => undefined);
    }
  })();

  return {
    async close() {
      over.abort();
      await holding;
    },
  };
}
