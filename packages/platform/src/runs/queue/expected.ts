// Runs whose callers wait for an answer and want it sent elsewhere, too: their rows are there before their replicas hear
// of them, so that no result is without its target.

import type { Dialect, RunError } from "@corral/contract";
import type { Pool } from "pg";
import type { Sealing } from "../../secrets/sealing.ts";
import { callQueryMs, storeError } from "../../store/retry.ts";
import { targetColumns, type NewTarget } from "../../webhook/target.ts";

export interface ExpectedRun {
  readonly runId: string;
  readonly projectId: string;
  readonly deploymentId: string;
  readonly replicaId: string;
  readonly keyId: string | null;
  readonly dialect: Dialect;
  /** False: its output is kept until it is delivered. */
  readonly isStored: boolean;
  readonly webhook: NewTarget;
}

/** Fails with `database_unavailable`. */
export async function expectRun(
  pool: Pick<Pool, "query">,
  run: ExpectedRun,
  sealing: Sealing,
): Promise<void> {
  const { webhook, webhook_secret: secret } = targetColumns(run.webhook, run.runId, sealing);
  const statement = {
    name: "expect-run",
    query_timeout: callQueryMs,
    text: `insert into runs (id, project_id, deployment_id, replica_id, key_id, dialect, status, attempt, webhook,
        webhook_secret, created_at, stored)
      values ($1, $2, $3, $4, $5, $6, 'queued', 1, $7::json, $8, now(), $9)`,
    values: [
      run.runId,
      run.projectId,
      run.deploymentId,
      run.replicaId,
      run.keyId,
      run.dialect,
      webhook,
      secret,
      run.isStored,
    ],
  };
  await pool.query(statement).catch((error: unknown) => {
    throw storeError(error);
  });
}

/** To be called when the call is over: what its replica never began has ended. */
export async function endUnbegun(pool: Pick<Pool, "query">, runId: string, error: RunError): Promise<void> {
  await pool.query({
    name: "end-unbegun-run",
    text: `update runs set status = $2, error = $3::json, finished_at = now()
      where id = $1 and status = 'queued' and not asynchronous`,
    values: [runId, error.code === "client_closed" ? "canceled" : "failed", JSON.stringify(error)],
  });
}
