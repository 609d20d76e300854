// Runs are kept for some days, then removed: their text, answers and outputs go with them, their counts stay in the sums
// of usage. Idempotency keys that have had their day go with the same pass. One process at a time need not do it: a run
// that another removed is not there any more.

import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "pino";
import { removeOldKeys } from "../store/idempotency.ts";
import { withRetry } from "../store/retry.ts";
import type { Store } from "../store/store.ts";
import { foldRuns } from "../usage/fold-runs.ts";

export interface RetentionOptions {
  readonly store: Pick<Store, "db" | "pool">;
  readonly keepDays: number;
  readonly log: Logger;
  readonly now: () => Date;
}

const everyMs = 60 * 60_000;
/** At a time, so that no statement takes long. */
const most = 500;
const pauseMs = 50;

/** Looks at once and then every hour. */
export function startRetention(options: RetentionOptions): AsyncDisposable {
  const over = new AbortController();
  const looking = look(options, over.signal);
  return {
    async [Symbol.asyncDispose]() {
      over.abort();
      await looking;
    },
  };
}

async function look(options: RetentionOptions, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    try {
      const count = await removeOldRuns(options, signal);
      if (count > 0) options.log.info({ count }, "runs over the time that they are kept were removed");
    } catch (error) {
      options.log.warn({ err: String(error) }, "old runs are not removed just now");
    }
    await sleep(everyMs, undefined, { signal, ref: false }).catch(() => undefined);
  }
}

/** Which may go; `$1`: they ended before that. */
const isOld = `finished_at < $1 and status not in ('queued', 'running') and not exists (
  select from deliveries where deliveries.run_id = runs.id and deliveries.status = 'pending')`;

function endBefore({ keepDays, now }: Pick<RetentionOptions, "keepDays" | "now">): Date {
  return new Date(now().getTime() - keepDays * 86_400_000);
}

/** How many there are that `removeOldRuns` would remove, and the bytes of their outputs, texts and answers. */
export async function measureOldRuns({
  store: { db, pool },
  ...times
}: Pick<RetentionOptions, "store" | "keepDays" | "now">): Promise<{ count: number; bytes: number }> {
  const { rows } = await withRetry(db, () =>
    pool.query<{ count: number; bytes: number }>(
      `with old as (select id, output from runs where ${isOld})
        select (select count(*) from old)::float8 as count,
          ((select coalesce(sum(octet_length(output)), 0) from old)
            + (select coalesce(sum(octet_length(pieces)), 0) from run_texts where run_id in (select id from old))
            + (select coalesce(sum(octet_length(body)), 0) from run_answers where run_id in (select id from old))
          )::float8 as bytes`,
      [endBefore(times)],
    ),
  );
  return rows[0] ?? { count: 0, bytes: 0 };
}

/** Of those that ended `keepDays` ago or earlier, but for runs whose result is still to be delivered. Answers how many. */
export async function removeOldRuns(
  { store: { db, pool }, keepDays, now }: Pick<RetentionOptions, "store" | "keepDays" | "now">,
  signal?: AbortSignal,
): Promise<number> {
  const before = endBefore({ keepDays, now });
  let count = 0;
  await removeOldKeys({ db, pool });
  while (signal?.aborted !== true) {
    const { rows } = await withRetry(db, () =>
      pool.query<{ id: string }>(
        `select old.id from projects, lateral (
            select id from runs where project_id = projects.id and ${isOld}
            order by finished_at limit ${most}) as old
          limit ${most}`,
        [before],
      ),
    );
    if (rows.length === 0) return count;
    const removed = await foldRuns(
      db,
      rows.map(({ id }) => id),
    );
    count += removed.length;
    if (removed.length === 0) return count;
    await sleep(pauseMs);
  }
  return count;
}
