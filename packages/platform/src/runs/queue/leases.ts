// What a platform process does with queued runs in the database: takes them for a time, renews that time, gives them to
// a replica, hands them back, ends what never started. Each is one statement, and whoever lost its lease writes nothing:
// its fencing number is another. The transitions are those of `../run-state.ts`.

import type { Dialect, RunError } from "@corral/contract";
import type { Pool } from "pg";
import { storable } from "../../store/text.ts";

/** So long a taken run counts as carried out without a sign of life. */
export const leaseMs = 30_000;

/** A run that this process carries out. */
export interface LeasedRun {
  readonly runId: string;
  readonly projectId: string;
  readonly deploymentId: string;
  readonly keyId: string | null;
  readonly dialect: Dialect;
  readonly priority: number;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  readonly isBare: boolean;
  readonly isStored: boolean;
  /** Its result is sent somewhere. */
  readonly hasWebhook: boolean;
  /** When it came, in milliseconds since the epoch by the database's clock. */
  readonly createdAtMs: number;
  /** How long it may still wait for a replica, from the moment it was taken. */
  readonly waitMs: number;
  /** How long it has been in the queue, when it was taken. */
  readonly queuedMs: number;
  /** This lease and no other. */
  readonly fence: number;
}

/** Columns of `runs` and `queue` by the names of `LeasedRun`. */
const leasedColumns = `queue.run_id as "runId", queue.project_id as "projectId", queue.deployment_id as "deploymentId",
  runs.key_id as "keyId", runs.dialect, queue.priority, queue.path, queue.headers, queue.body,
  queue.is_bare as "isBare", runs.stored as "isStored",
  runs.webhook is not null as "hasWebhook", extract(epoch from runs.created_at) * 1000 as "createdAtMs",
  extract(epoch from queue.expires_at - now()) * 1000 as "waitMs",
  extract(epoch from now() - runs.created_at) * 1000 as "queuedMs", queue.fence`;

const claimStatement = `
  with next as (
    select run_id from queue
    where leased_until is null and available_at <= now() and expires_at > now()
      and (deployment_id = any ($1::text[])) = $5::boolean
      and available_at <= now() - $6::integer * interval '1 millisecond'
    order by priority, available_at, run_id
    for update skip locked
    limit $2
  )
  update queue set platform_id = $3, leased_until = now() + $4::integer * interval '1 millisecond', fence = queue.fence + 1
  from next, runs
  where queue.run_id = next.run_id and runs.id = queue.run_id
  returning ${leasedColumns}`;

export interface ClaimOptions {
  readonly platformId: string;
  readonly count: number;
  /** Of these deployments; or of all others, where the runs have waited for so long. */
  readonly from:
    | { readonly of: readonly string[] }
    | { readonly notOf: readonly string[]; readonly waitedMs: number };
  readonly leaseMs: number;
}

/** Takes waiting runs: lower priority numbers first, then those that wait longest. Two processes never get the same. */
export async function claim(pool: Pick<Pool, "query">, options: ClaimOptions): Promise<LeasedRun[]> {
  const { from } = options;
  const [ids, isOf, waitedMs] = "of" in from ? [from.of, true, 0] : [from.notOf, false, from.waitedMs];
  const { rows } = await pool.query<Record<string, unknown>>({
    name: "claim-runs",
    text: claimStatement,
    values: [ids, options.count, options.platformId, options.leaseMs, isOf, waitedMs],
  });
  return rows
    .map((row) => ({
      ...(row as unknown as LeasedRun),
      createdAtMs: Number(row["createdAtMs"]),
      waitMs: Number(row["waitMs"]),
      queuedMs: Number(row["queuedMs"]),
    }))
    .toSorted((a, b) => a.priority - b.priority || a.createdAtMs - b.createdAtMs);
}

export type Lease = Pick<LeasedRun, "runId" | "fence">;

/** Gives the ids of those that are still this process'. */
export async function renew(
  pool: Pick<Pool, "query">,
  leases: readonly Lease[],
  forMs: number,
): Promise<Set<string>> {
  const { rows } = await pool.query<{ run_id: string }>({
    name: "renew-runs",
    text: `update queue set leased_until = now() + $3::integer * interval '1 millisecond'
      from unnest($1::uuid[], $2::bigint[]) as lease (run_id, fence)
      where queue.run_id = lease.run_id and queue.fence = lease.fence and queue.leased_until is not null
      returning queue.run_id`,
    values: [leases.map(({ runId }) => runId), leases.map(({ fence }) => fence), forMs],
  });
  return new Set(rows.map((row) => row.run_id));
}

/** The number of the attempt that begins; null: the run is not this process' any more, or has ended. */
export async function give(
  pool: Pick<Pool, "query">,
  { runId, fence }: Lease,
  replicaId: string,
): Promise<number | null> {
  const { rows } = await pool.query<{ attempt: number }>({
    name: "give-run",
    text: `update runs set replica_id = $3, attempt = attempt + 1
      from queue
      where runs.id = $1 and queue.run_id = runs.id and queue.fence = $2 and queue.leased_until > now()
        and runs.status = 'queued' and runs.replica_id is null
      returning runs.attempt`,
    values: [runId, fence, replicaId],
  });
  return rows[0]?.attempt ?? null;
}

/** It waits again: no replica has it, and what was tried counts as no attempt. */
export async function putBack(
  pool: Pick<Pool, "query">,
  { runId, fence }: Lease,
  { pauseMs }: { readonly pauseMs: number },
): Promise<void> {
  await pool.query({
    name: "put-back-run",
    text: `with run as (
        update runs set replica_id = null, attempt = attempt - case when replica_id is null then 0 else 1 end
        from queue
        where runs.id = $1 and queue.run_id = runs.id and queue.fence = $2 and runs.status = 'queued'
        returning runs.id
      )
      update queue set platform_id = null, leased_until = null, fence = fence + 1,
        available_at = greatest(available_at, now() + $3::integer * interval '1 millisecond')
      from run where queue.run_id = run.id and queue.fence = $2`,
    values: [runId, fence, Math.round(pauseMs)],
  });
}

export interface Ending {
  readonly error: RunError;
  /** JSON text that the call was answered with; null: none. */
  readonly output: string | null;
  /** Whether the next attempt may not meet it: see `mayBeRetried`. */
  readonly mayRetry: boolean;
}

/** Ends an attempt that never started. What has started, or is not this process' any more, stays as it is. */
export async function endUnstarted(
  pool: Pick<Pool, "query">,
  { runId, fence }: Lease,
  { error, output, mayRetry }: Ending,
): Promise<void> {
  await pool.query({
    name: "end-unstarted-run",
    text: `update runs set status = 'failed', error = $3::json, output = $4, may_retry = $5, finished_at = now()
      from queue
      where runs.id = $1 and queue.run_id = runs.id and queue.fence = $2 and runs.status = 'queued'`,
    values: [runId, fence, storable(JSON.stringify(error)), output, mayRetry],
  });
}
