// How platform processes of one database know that another one lives: each holds an advisory lock of its id, on a
// connection of its own. The lock ends with the process, however it ends, and needs no clock.

import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import type { Logger } from "pino";
import type { Pool } from "pg";

export interface PresenceOptions {
  /** Only its options are used: the lock must not wait for a place in it. */
  readonly pool: Pool;
  /** Of this process' home. */
  readonly platformId: string;
  readonly log: Logger;
  /** Others took this process for dead and ended what its replicas did: they are to be started anew. */
  readonly onGivenUp: () => void;
}

export interface Presence {
  /** Fulfilled once the lock was taken for the first time: until then others may end what a former process left. */
  readonly held: Promise<void>;
  /** From now on this process counts as gone. */
  close(): Promise<void>;
}

/** A lock that a killed process held is free at once; one of a lost machine after about 25 seconds. */
const keepAlive = `select set_config('tcp_keepalives_idle', '10', false), set_config('tcp_keepalives_interval', '5', false),
  set_config('tcp_keepalives_count', '3', false)`;
const againMs = 250;
/** How often the connection is tried, and how long an answer may take: a broken one says nothing by itself. */
const tryMs = 1_000;
const answerWithinMs = 3_000;

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

/** Whether the lock of a platform's id could be taken. It is this session's from now on. */
export async function tryPresenceLock(
  session: Pick<pg.ClientBase, "query">,
  platformId: string,
): Promise<boolean> {
  const { rows } = await session.query<{ taken: boolean }>(
    `select pg_try_advisory_lock(${lockKey("$1")}) as taken`,
    [platformId],
  );
  return rows[0]?.taken === true;
}

/** Takes the lock, now and whenever it was lost with its connection. Others see it a moment later. */
export function openPresence({ pool, platformId, log, onGivenUp }: PresenceOptions): Presence {
  const over = new AbortController();
  const { signal } = over;
  const first = Promise.withResolvers<void>();
  let wasPresent = false;

  async function hold(): Promise<never> {
    const { password } = pool.options;
    const client = new pg.Client({
      ...pool.options,
      // The pool keeps it from being listed.
      ...(password === undefined ? {} : { password }),
      connectionTimeoutMillis: answerWithinMs,
      query_timeout: answerWithinMs,
    });
    // Whatever breaks it, the next query fails.
    client.on("error", () => undefined);
    try {
      await client.connect();
      await client.query(keepAlive);
      // While it is held, the server has not noticed the end of a former connection, or another process ends what it left.
      while (!(await tryPresenceLock(client, platformId))) await sleep(againMs, undefined, { signal });
      const { rows } = await client.query<{ is_known: boolean }>(
        `insert into platforms (id) values ($1) on conflict (id) do update set present_since = now()
          returning xmax <> 0 as is_known`,
        [platformId],
      );
      if (wasPresent && rows[0]?.is_known !== true) onGivenUp();
      wasPresent = true;
      first.resolve();
      for (;;) {
        await sleep(tryMs, undefined, { signal });
        await client.query("select 1");
      }
    } finally {
      // A silent server would never answer that the session is to end.
      void client.end().catch(() => undefined);
      setTimeout(() => client.connection.stream.destroy(), againMs).unref();
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
    held: first.promise,
    async close() {
      over.abort();
      await holding;
    },
  };
}
