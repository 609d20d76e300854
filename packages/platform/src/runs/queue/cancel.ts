// Ends a run because somebody asked for it: at once where no replica has begun with it, else its replica is told.

import type { RunError } from "@corral/contract";
import type { Pool } from "pg";

const canceled: RunError = { code: "aborted", detail: "The run was canceled." };

export interface CanceledRun {
  readonly runId: string;
  /** Who has to be told; null: no replica has it. */
  readonly replicaId: string | null;
  /** It was ended here. */
  readonly isEnded: boolean;
}

export interface CancelOptions {
  /** What a replica has begun with stays; default false. */
  readonly onlyQueued?: boolean;
}

/** Null where there is no such run, or it has ended already. */
export async function requestCancel(
  pool: Pick<Pool, "query">,
  projectId: string,
  runId: string,
  { onlyQueued = false }: CancelOptions = {},
): Promise<CanceledRun | null> {
  const { rows } = await pool.query<{ status: string; replica_id: string | null }>({
    name: "cancel-run",
    text: `update runs set
        status = case when status = 'queued' then 'canceled' else status end,
        error = case when status = 'queued' then $3::json else error end,
        finished_at = case when status = 'queued' then now() else finished_at end,
        may_retry = false,
        cancel_requested_at = coalesce(cancel_requested_at, now())
      where id = $1 and project_id = $2 and (status = 'queued' or (status = 'running' and not $4))
      returning status, replica_id`,
    values: [runId, projectId, JSON.stringify(canceled), onlyQueued],
  });
  const [row] = rows;
  if (row === undefined) return null;
  return { runId, replicaId: row.replica_id, isEnded: row.status === "canceled" };
}

/** Runs of these replicas that were to end and have not. */
export async function findCanceling(
  pool: Pick<Pool, "query">,
  replicaIds: readonly string[],
): Promise<readonly { readonly runId: string; readonly replicaId: string }[]> {
  if (replicaIds.length === 0) return [];
  const { rows } = await pool.query<{ id: string; replica_id: string }>({
    name: "canceling-runs",
    text: `select id, replica_id from runs
      where replica_id = any ($1::text[]) and cancel_requested_at is not null and status = 'running'`,
    values: [replicaIds],
  });
  return rows.map((row) => ({ runId: row.id, replicaId: row.replica_id }));
}
