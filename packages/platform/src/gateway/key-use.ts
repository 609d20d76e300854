// When each key was last used: noted in memory by every call, written now and then for all of them at once.

import { sql } from "kysely";
import type { Logger } from "pino";
import { withRetry } from "../store/retry.ts";
import type { Db } from "../store/schema.ts";

export interface KeyUse {
  /** Costs a call nothing but a look into a map. */
  note(keyId: string): void;
  /** Writes what is noted. */
  close(): Promise<void>;
}

/** A key's row is written at most so often. */
const everyMs = 60_000;
/** Uses of so long are written together. */
const gatherMs = 1_000;
/** So many keys' times are remembered. */
const mostRemembered = 10_000;

export function createKeyUse({
  db,
  now,
  log,
}: {
  readonly db: Db;
  readonly now: () => Date;
  readonly log: Pick<Logger, "warn">;
}): KeyUse {
  const writtenMs = new Map<string, number>();
  const noted = new Map<string, Date>();
  let timer: NodeJS.Timeout | null = null;
  let writing: Promise<void> = Promise.resolve();

  async function write(): Promise<void> {
    timer = null;
    if (noted.size === 0) return;
    const [ids, times] = [[...noted.keys()], [...noted.values()]];
    noted.clear();
    await withRetry(db, () =>
      sql`update api_keys set last_used_at = greatest(last_used_at, used.at)
        from unnest(${ids}::text[], ${times}::timestamptz[]) as used (id, at)
        where api_keys.id = used.id`.execute(db),
    ).catch((error: unknown) => log.warn({ err: String(error) }, "when keys were used is not written"));
  }

  return {
    note(keyId) {
      const at = now();
      if (at.getTime() - (writtenMs.get(keyId) ?? -Infinity) < everyMs) return;
      if (writtenMs.size >= mostRemembered) writtenMs.clear();
      writtenMs.set(keyId, at.getTime());
      noted.set(keyId, at);
      timer ??= setTimeout(() => {
        writing = writing.then(write);
      }, gatherMs).unref();
    },
    async close() {
      if (timer !== null) clearTimeout(timer);
      await writing;
      await write();
    },
  };
}
