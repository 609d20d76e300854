// What a dead platform process had under way is free for the others at once, though its leases are not over yet.
// Whoever is dead only by appearance loses nothing but time: its leases have other fencing numbers then.

import type { Logger } from "pino";
import { lostRun } from "../replica/records.ts";
import { repeat } from "../runs/queue/repeat.ts";
import { takeBackLapsed } from "../runs/queue/sweep.ts";
import { releaseDeliveriesOf } from "../store/deliveries.ts";
import { sweepKeys } from "../store/idempotency.ts";
import { endReplica, listAliveReplicas } from "../store/replicas.ts";
import type { Store } from "../store/store.ts";
import { countAbsent, deadOf, noAbsences } from "./absence.ts";
import { isPresent, tryPresenceLock } from "./presence.ts";

export interface TakeOverOptions {
  readonly store: Pick<Store, "db" | "pool">;
  readonly platformId: string;
  readonly log: Logger;
  readonly now: () => Date;
  /** Between two looks. Default 1,000; shorter in tests. */
  readonly lookMs?: number;
}

export interface TakeOver {
  close(): Promise<void>;
}

/** Looks from time to time who is gone. Several processes may do it at once: one of them takes over. */
export function startTakeOver({ store, platformId, log, now, lookMs = 1_000 }: TakeOverOptions): TakeOver {
  let absences = noAbsences;

  async function look(): Promise<void> {
    absences = countAbsent(absences, await findAbsent(store, platformId));
    for (const id of deadOf(absences)) {
      if (!(await takeOver(store, id, now))) continue;
      log.warn({ platform: id }, "a platform process ended; what it had under way goes on here");
    }
  }

  return repeat(async () => {
    await look().catch((error: unknown) => {
      // Nobody is seen while the database is away, and nobody is dead for that.
      absences = noAbsences;
      log.debug({ err: String(error) }, "other platform processes cannot be seen");
    });
    return lookMs;
  });
}

async function findAbsent({ pool }: Pick<Store, "pool">, platformId: string): Promise<string[]> {
  const { rows } = await pool.query<{ id: string }>({
    name: "absent-platforms",
    text: `select id from platforms where id <> $1 and not ${isPresent("platforms.id")}`,
    values: [platformId],
  });
  return rows.map(({ id }) => id);
}

/**
 * With its lock in hand: it cannot come back meanwhile, and no other process does the same. Its row goes last, so that
 * another one goes on where this one ends amid it. False: it is back, or another took it over.
 */
async function takeOver(
  store: Pick<Store, "db" | "pool">,
  platformId: string,
  now: () => Date,
): Promise<boolean> {
  const { db, pool } = store;
  const session = await pool.connect();
  try {
    if (!(await tryPresenceLock(session, platformId))) return false;
    const { rowCount } = await session.query("select from platforms where id = $1", [platformId]);
    if (rowCount === 0) return false;
    // Its replicas ended with it, and nobody else tells of their runs.
    for (const { id } of await listAliveReplicas(db, { platformId }))
      await endReplica(db, id, { now: now(), detail: "Its platform process is gone.", error: lostRun });
    await takeBackLapsed(pool, { platformId });
    await releaseDeliveriesOf(db, platformId);
    await sweepKeys(store, platformId);
    // One that comes back finds by it that it was given up.
    await session.query("delete from platforms where id = $1", [platformId]);
    return true;
  } finally {
    // The lock ends with the session.
    session.release(true);
  }
}
