// Deliveries: results on their way to webhooks. Their rows are written by a trigger when a run ends (migration 14);
// senders of all platform processes share them. Time is the database's, since those clocks may differ.

import { ServingError, type Delivery, type DeliveryStatus } from "@corral/contract";
import { sql } from "kysely";
import type { Verdict } from "../domain/delivery.ts";
import { shownUrl } from "../egress/check-url.ts";
import { afterCursor, pageOf, type Page, type PageQuery } from "./page.ts";
import { inTransaction, withRetry } from "./retry.ts";
import type { Db, DeliveryRow, RunRow } from "./schema.ts";

export interface Claim {
  readonly platformId: string;
  /** At most so many. */
  readonly limit: number;
  readonly leaseMs: number;
  /** Calls that an origin may have begun now, where that is not `freeOfOthers`. */
  readonly freeByOrigin: ReadonlyMap<string, number>;
  readonly freeOfOthers: number;
}

/** So many due rows are looked at for one claim: a few origins' at least, as full ones are left out. */
const claimWindow = 256;

/** Due deliveries, the longest due first, each taken by one process alone until its lease is over. */
export async function claimDeliveries(db: Db, claim: Claim): Promise<DeliveryRow[]> {
  const { platformId, limit, leaseMs, freeByOrigin, freeOfOthers } = claim;
  const known = [...freeByOrigin];
  const full = known.filter(([, free]) => free === 0).map(([origin]) => origin);
  const due = sql`status = 'pending' and next_attempt_at <= now() and (leased_until is null or leased_until < now())`;
  const { rows } = await sql<DeliveryRow>`
    with due as (
      select id, origin, next_attempt_at from deliveries
      where ${due} and origin <> all(${full}::text[])
      order by next_attempt_at, id limit ${claimWindow}
    ), ranked as (
      select id, origin, row_number() over (partition by origin order by next_attempt_at, id) as place from due
    ), room as (
      select ranked.id from ranked
      left join unnest(${known.map(([origin]) => origin)}::text[], ${known.map(([, free]) => free)}::integer[])
        as known (origin, free) on known.origin = ranked.origin
      where ranked.place <= coalesce(known.free, ${freeOfOthers})
    ), taken as (
      select id from deliveries where id in (select id from room) and ${due}
      order by next_attempt_at, id limit ${limit} for update skip locked
    )
    update deliveries set platform_id = ${platformId}, leased_until = now() + ${leaseMs} * interval '1 millisecond',
      fence = fence + 1, attempts = attempts + 1
    from taken where deliveries.id = taken.id returning deliveries.*`.execute(db);
  return rows;
}

/** False: another has taken it meanwhile, or it was ended; then nothing is written. */
export function settleDelivery(
  db: Db,
  { id, fence }: Pick<DeliveryRow, "id" | "fence">,
  verdict: Verdict,
): Promise<boolean> {
  return withRetry(db, () =>
    inTransaction(db, async (transaction) => {
      const isOver = verdict.kind !== "retry";
      const row = await transaction
        .updateTable("deliveries")
        .set({
          status: isOver ? verdict.kind : "pending",
          next_attempt_at: isOver ? null : sql<Date>`now() + ${verdict.delayMs} * interval '1 millisecond'`,
          finished_at: isOver ? sql<Date>`now()` : null,
          last_status: verdict.status,
          last_error: verdict.kind === "succeeded" ? null : verdict.error,
          platform_id: null,
          leased_until: null,
        })
        .where("id", "=", id)
        .where("fence", "=", fence)
        .where("status", "=", "pending")
        .returning("run_id")
        .executeTakeFirst();
      if (row === undefined) return false;
      if (verdict.kind === "succeeded") await forgetOutput(transaction, row.run_id);
      return true;
    }),
  );
}

/** Of a run that is not to be stored, everything was kept for its delivery alone. */
async function forgetOutput(db: Db, runId: string): Promise<void> {
  const forgotten = await db
    .updateTable("runs")
    .set({ output: null, parameters: null })
    .where("id", "=", runId)
    .where("stored", "=", false)
    .returning("id")
    .executeTakeFirst();
  if (forgotten !== undefined) await db.deleteFrom("run_texts").where("run_id", "=", runId).execute();
}

/** What was claimed and not tried goes back as it was. */
export async function releaseDelivery(
  db: Db,
  { id, fence }: Pick<DeliveryRow, "id" | "fence">,
): Promise<void> {
  await withRetry(db, () =>
    db
      .updateTable("deliveries")
      .set({ platform_id: null, leased_until: null, attempts: sql<number>`attempts - 1` })
      .where("id", "=", id)
      .where("fence", "=", fence)
      .where("status", "=", "pending")
      .where("leased_until", "is not", null)
      .execute(),
  );
}

/**
 * What a process of this id was sending when it ended, or got and never heard of, may be sent at once. The receiver may
 * have it already: it knows it by its id.
 * @param except what it is sending
 */
export async function releaseDeliveriesOf(
  db: Db,
  platformId: string,
  except: readonly string[] = [],
): Promise<void> {
  await withRetry(db, () =>
    db
      .updateTable("deliveries")
      .set({ platform_id: null, leased_until: null })
      .where("platform_id", "=", platformId)
      .where("status", "=", "pending")
      .where("leased_until", "is not", null)
      .where(sql<boolean>`id <> all (${except}::uuid[])`)
      .execute(),
  );
}

/** Ends those whose day is over: a receiver that stays away gets no more attempts. Answers how many. */
export async function expireDeliveries(db: Db): Promise<number> {
  const { rows } = await sql<{ id: string }>`
    update deliveries set status = 'dead', next_attempt_at = null, finished_at = now(), platform_id = null,
      leased_until = null, last_error = coalesce(last_error, 'The receiver was not asked within a day: it failed others.')
    where id in (
      select id from deliveries where status = 'pending' and expires_at < now()
        and (leased_until is null or leased_until < now())
      limit 1000 for update skip locked
    ) returning id`.execute(db);
  return rows.length;
}

/** What a delivery is made of; null: its run is gone. */
export function readDeliveredRun(
  db: Db,
  runId: string,
): Promise<{ readonly row: RunRow; readonly modelId: string } | null> {
  return withRetry(db, async () => {
    const found = await db
      .selectFrom("runs")
      .innerJoin("deployments", "deployments.id", "runs.deployment_id")
      .selectAll("runs")
      .select("deployments.model_id")
      .where("runs.id", "=", runId)
      .executeTakeFirst();
    if (found === undefined) return null;
    const { model_id: modelId, ...row } = found;
    return { row, modelId };
  });
}

export interface DeliveryQuery extends PageQuery {
  readonly status?: DeliveryStatus | undefined;
  readonly runId?: string | undefined;
  /** Of one key's calls alone; null: of none. */
  readonly keyId?: string | null | undefined;
}

/** Newest first. */
export function listDeliveries(
  db: Db,
  projectId: string,
  { limit, cursor, status, runId, keyId }: DeliveryQuery,
): Promise<Page<DeliveryRow>> {
  return withRetry(db, async () => {
    let query = db
      .selectFrom("deliveries")
      .selectAll("deliveries")
      .where("deliveries.project_id", "=", projectId)
      .where(afterCursor("deliveries", cursor));
    if (status !== undefined) query = query.where("deliveries.status", "=", status);
    if (runId !== undefined) query = query.where("deliveries.run_id", "=", runId);
    if (keyId !== undefined) {
      query = query.innerJoin("runs", "runs.id", "deliveries.run_id").where("runs.key_id", "=", keyId ?? "");
    }
    const rows = await query
      .orderBy("deliveries.created_at", "desc")
      .orderBy("deliveries.id", "desc")
      .limit(limit + 1)
      .execute();
    return pageOf(rows, limit);
  });
}

/** With the key that its run was called with. */
export function findDelivery(
  db: Db,
  projectId: string,
  by: { readonly id: string } | { readonly runId: string },
): Promise<(DeliveryRow & { readonly key_id: string | null }) | null> {
  return withRetry(db, async () => {
    const query = db
      .selectFrom("deliveries")
      .innerJoin("runs", "runs.id", "deliveries.run_id")
      .selectAll("deliveries")
      .select("runs.key_id")
      .where("deliveries.project_id", "=", projectId);
    const found =
      "id" in by ? query.where("deliveries.id", "=", by.id) : query.where("deliveries.run_id", "=", by.runId);
    return (await found.executeTakeFirst()) ?? null;
  });
}

/**
 * Sends it again, or, where it is still under way, sooner: with the same id, and with all attempts before it.
 * Fails with `conflict` where what was to be sent is no longer kept.
 */
export function redeliver(db: Db, id: string): Promise<DeliveryRow> {
  return withRetry(db, () =>
    inTransaction(db, async (transaction) => {
      const row = await transaction
        .selectFrom("deliveries")
        .innerJoin("runs", "runs.id", "deliveries.run_id")
        .selectAll("deliveries")
        .select(["runs.stored", "runs.status as run_status"])
        .select(sql<boolean>`runs.output is null`.as("without_output"))
        .select(sql<boolean>`coalesce(deliveries.leased_until > now(), false)`.as("is_leased"))
        .where("deliveries.id", "=", id)
        .forUpdate("deliveries")
        .executeTakeFirstOrThrow();
      const {
        stored,
        run_status: runStatus,
        without_output: withoutOutput,
        is_leased: isLeased,
        ...delivery
      } = row;
      // It is being sent this moment.
      if (isLeased) return delivery;
      if (!stored && withoutOutput && runStatus === "succeeded") {
        throw new ServingError(
          "conflict",
          "The run was not to be stored: its output was sent, and is kept no longer.",
        );
      }
      return transaction
        .updateTable("deliveries")
        .set({
          status: "pending",
          attempts: 0,
          next_attempt_at: sql<Date>`now()`,
          expires_at: sql<Date>`now() + interval '24 hours'`,
          finished_at: null,
          platform_id: null,
          leased_until: null,
        })
        .where("id", "=", id)
        .returningAll()
        .executeTakeFirstOrThrow();
    }),
  );
}

export function toDelivery(row: DeliveryRow): Delivery {
  return {
    id: row.id,
    run_id: row.run_id,
    url: JSON.parse(shownUrl(row.url)) as string,
    dialect: row.dialect,
    status: row.status,
    attempts: row.attempts,
    next_attempt_at: row.next_attempt_at?.toISOString() ?? null,
    last_status: row.last_status,
    last_error: row.last_error,
    created_at: row.created_at.toISOString(),
    finished_at: row.finished_at?.toISOString() ?? null,
  };
}
