// What nobody else ends: runs that waited too long, and those whose platform process is gone. Any process may do it, and
// two at once do no harm.

import type { RunError } from "@corral/contract";
import type { Pool } from "pg";
import { callLimitMs } from "../../gateway/predict-call.ts";
import { claimKey } from "../../replica/claims.ts";

const expired: RunError = {
  code: "expired",
  detail: "The run waited in the queue for as long as its call allowed, and no replica was given it.",
};
const lost: RunError = {
  code: "replica_lost",
  detail: "The process that carried the run out ended before a replica began with it.",
};
const forgotten: RunError = {
  code: "replica_lost",
  detail: "Its call is over, and no replica told that it began.",
};
/** After the last moment at which a call may be answered: so long a report may take. */
const forgottenMs = 5 * 60_000;

/** Ends runs that no replica was given in time. Gives their number. */
export async function expireRuns(pool: Pick<Pool, "query">): Promise<number> {
  const { rowCount } = await pool.query({
    name: "expire-runs",
    text: `update runs set status = 'expired', error = $1::json, may_retry = false, finished_at = now()
      from queue
      where queue.run_id = runs.id and queue.expires_at <= now() and runs.status = 'queued' and runs.replica_id is null`,
    values: [JSON.stringify(expired)],
  });
  return rowCount ?? 0;
}

/**
 * Ends runs whose callers waited, which no replica began with in the time of a call: what would have ended them was lost
 * on its way to the database. Gives their number.
 */
export async function endForgotten(pool: Pick<Pool, "query">): Promise<number> {
  const { rowCount } = await pool.query({
    name: "end-forgotten-runs",
    text: `update runs set status = 'failed', error = $1::json, finished_at = now()
      where not asynchronous and status = 'queued' and created_at < now() - $2::integer * interval '1 millisecond'`,
    values: [JSON.stringify(forgotten), callLimitMs + forgottenMs],
  });
  return rowCount ?? 0;
}

export interface LeasesOf {
  readonly platformId: string;
  /** Runs that it carries out. Default: none. */
  readonly except?: readonly string[];
}

/**
 * Takes leases back that were not renewed, and those that a process holds no more: it has just begun, is gone, or never
 * heard that it got them. A run that no replica was given waits again; one that was given and never started has had its
 * attempt. What has started stays: it ends by its replica's reports, or with its replica. Gives the number of runs.
 */
export async function takeBackLapsed(pool: Pick<Pool, "query">, of: LeasesOf | null = null): Promise<number> {
  const { rowCount } = await pool.query({
    name: "take-back-runs",
    text: `with lapsed as (
        select run_id, fence from queue
        where leased_until is not null
          and (leased_until < now() or (platform_id = $1 and run_id <> all ($3::uuid[])))
      ), failed as (
        update runs set status = 'failed', error = $2::json, may_retry = true, finished_at = now()
        from lapsed
        where runs.id = lapsed.run_id and runs.status = 'queued' and runs.replica_id is not null
        returning runs.id
      ), waiting as (
        select runs.id from runs join lapsed on runs.id = lapsed.run_id
        where runs.status = 'queued' and runs.replica_id is null
        for update of runs
      ), freed as (
        update queue set platform_id = null, leased_until = null, fence = queue.fence + 1
        from waiting, lapsed
        where queue.run_id = waiting.id and lapsed.run_id = waiting.id and queue.fence = lapsed.fence
          and (queue.leased_until < now() or queue.platform_id = $1)
        returning queue.run_id
      )
      select id from failed union all select run_id from freed`,
    values: [of?.platformId ?? null, JSON.stringify(lost), of?.except ?? []],
  });
  return rowCount ?? 0;
}

/**
 * Replicas of other processes, of deployments that this one has run for longer than any of them may take to end: the
 * process that ran them is gone, and nobody else will say so. Gives their ids.
 */
export async function findOrphans(
  pool: Pick<Pool, "query">,
  { platformId, deploymentIds }: { readonly platformId: string; readonly deploymentIds: readonly string[] },
): Promise<string[]> {
  if (deploymentIds.length === 0) return [];
  const { rows } = await pool.query<{ id: string }>({
    name: "orphaned-replicas",
    text: `select id from replicas
      where status <> 'ended' and platform_id <> $1 and deployment_id = any ($2::text[])`,
    values: [platformId, deploymentIds],
  });
  return rows.map(({ id }) => id);
}

/**
 * Replicas of other processes, of deployments that are not wanted any more and that no process holds now: whoever ran
 * them has let go of them, for the moment or because it is gone. Gives their ids.
 */
export async function findUnheld(pool: Pick<Pool, "query">, platformId: string): Promise<string[]> {
  const { rows } = await pool.query<{ id: string; free: boolean }>({
    name: "unheld-replicas",
    // The locks end with the statement.
    text: `with unwanted as materialized (
        select replicas.id, replicas.deployment_id
        from replicas join deployments on deployments.id = replicas.deployment_id
        where replicas.status <> 'ended' and replicas.platform_id <> $1
          and (deployments.desired <> 'running' or deployments.deleted_at is not null)
      )
      select id, pg_try_advisory_xact_lock(${claimKey("deployment_id")}) as free from unwanted`,
    values: [platformId],
  });
  return rows.filter(({ free }) => free).map(({ id }) => id);
}
