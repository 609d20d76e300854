// Runs as they are read, and ended when their replica is lost. They are written by `../runs/recorder.ts`.

import type { Dialect, Run, RunError, RunStatus } from "@corral/contract";
import { sql } from "kysely";
import { afterCursor, pageOf, type Page, type PageQuery } from "./page.ts";
import { inTransaction, withRetry } from "./retry.ts";
import type { Db, RunRow } from "./schema.ts";

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** Whether a run could have this id. */
export function isRunId(id: string): boolean {
  return uuid.test(id);
}

export async function getRun(db: Db, projectId: string, id: string): Promise<RunRow | null> {
  if (!isRunId(id)) return null;
  return withRetry(db, async () => {
    const query = db.selectFrom("runs").selectAll().where("project_id", "=", projectId).where("id", "=", id);
    return (await query.executeTakeFirst()) ?? null;
  });
}

/** Whoever's it is: of a run that a replica was given. */
export async function findRunOfReplica(
  db: Db,
  replicaId: string,
  id: string,
): Promise<Pick<RunRow, "project_id" | "key_id" | "finished_at"> | null> {
  if (!isRunId(id)) return null;
  return withRetry(db, async () => {
    const query = db
      .selectFrom("runs")
      .select(["project_id", "key_id", "finished_at"])
      .where("id", "=", id)
      .where("replica_id", "=", replicaId);
    return (await query.executeTakeFirst()) ?? null;
  });
}

export interface RunQuery extends PageQuery {
  readonly deploymentId?: string | undefined;
  /** All deployments of a model, by its id or name. */
  readonly model?: string | undefined;
  readonly status?: RunStatus | undefined;
  readonly dialect?: Dialect | undefined;
  /** Of a key's calls, as the caller of the list asks. */
  readonly ofKey?: string | undefined;
  /** [since, until). */
  readonly since?: Date | undefined;
  readonly until?: Date | undefined;
  readonly asynchronous?: boolean | undefined;
  /** Of one key's calls alone; null: of none. */
  readonly keyId?: string | null | undefined;
}

/** Of a run in a list. 500 of them are kept in memory at once. */
const listedOutputBytes = 64 * 1024;

export type ListedRun = RunRow & { readonly output_bytes: number | null };

/** Newest first. An output over 64 KiB is left out: `output` is null, `output_bytes` is not. */
export function listRuns(
  db: Db,
  projectId: string,
  { limit, cursor, ...wanted }: RunQuery,
): Promise<Page<ListedRun>> {
  return withRetry(db, async () => {
    let query = db
      .selectFrom("runs")
      .select(listedColumns)
      .select(sql<number | null>`octet_length(output)`.as("output_bytes"))
      .select(
        sql<string | null>`case when octet_length(output) <= ${listedOutputBytes} then output end`.as(
          "output",
        ),
      )
      .where("project_id", "=", projectId)
      .where(afterCursor("runs", cursor));
    const { keyId, ofKey, deploymentId, model, status, dialect, since, until, asynchronous } = wanted;
    if (keyId !== undefined) query = query.where("key_id", "=", keyId);
    if (ofKey !== undefined) query = query.where("key_id", "=", ofKey);
    if (deploymentId !== undefined) query = query.where("deployment_id", "=", deploymentId);
    if (model !== undefined) query = query.where("deployment_id", "in", deploymentsOf(db, projectId, model));
    if (status !== undefined) query = query.where("status", "=", status);
    if (dialect !== undefined) query = query.where("dialect", "=", dialect);
    if (since !== undefined) query = query.where("created_at", ">=", since);
    if (until !== undefined) query = query.where("created_at", "<", until);
    if (asynchronous !== undefined) query = query.where("asynchronous", "=", asynchronous);
    const rows = await query
      .orderBy("created_at", "desc")
      .orderBy("id", "desc")
      .limit(limit + 1)
      .execute();
    return pageOf(rows, limit);
  });
}

/** Deleted ones, too: their runs are kept. */
function deploymentsOf(db: Db, projectId: string, model: string) {
  return db
    .selectFrom("deployments")
    .innerJoin("models", "models.id", "deployments.model_id")
    .select("deployments.id")
    .where("models.project_id", "=", projectId)
    .where((or) => or.or([or("models.id", "=", model), or("models.name", "=", model)]));
}

const listedColumns = [
  "id",
  "project_id",
  "deployment_id",
  "replica_id",
  "key_id",
  "dialect",
  "status",
  "finish_reasons",
  "error",
  "prompt_tokens",
  "cached_tokens",
  "generated_tokens",
  "usage_complete",
  "timings_ms",
  "run_time_ms",
  "created_at",
  "first_token_at",
  "finished_at",
  "asynchronous",
  "attempt",
  "webhook",
  "webhook_secret",
  "stored",
  "text_length",
  "parameters",
  "cancel_requested_at",
  "may_retry",
] as const satisfies readonly (keyof RunRow)[];

/**
 * Fails every run of the replica that has no terminal state yet, with the counts that it last reported
 * (`usage_complete` stays false). Answers their ids; queued ones that are tried again are among them. A report that
 * comes later changes nothing.
 */
export function endOpenRunsOfReplica(
  db: Db,
  replicaId: string,
  error: RunError,
  now: Date,
): Promise<string[]> {
  return withRetry(db, () =>
    inTransaction(db, async (transaction) => {
      // The recorder takes the same lock first: its runs are all written before this, or come after it.
      await transaction.selectFrom("replicas").select("id").where("id", "=", replicaId).forUpdate().execute();
      const rows = await transaction
        .updateTable("runs")
        .set({
          status: "failed",
          error: JSON.stringify(error),
          usage_complete: false,
          finished_at: now,
          may_retry: true,
        })
        .where("replica_id", "=", replicaId)
        .where("status", "in", ["queued", "running"])
        .returning("id")
        .execute();
      return rows.map((row) => row.id);
    }),
  );
}

export function toRun(row: RunRow): Run {
  return {
    run_id: row.id,
    status: row.status,
    deployment_id: row.deployment_id,
    dialect: row.dialect,
    key_id: row.key_id,
    asynchronous: row.asynchronous,
    attempt: row.attempt,
    stored: row.stored,
    output: row.output === null ? null : (JSON.parse(row.output) as unknown),
    error: row.error,
    usage:
      row.status === "queued"
        ? null
        : {
            prompt_tokens: row.prompt_tokens,
            cached_tokens: row.cached_tokens,
            generated_tokens: row.generated_tokens,
          },
    usage_complete: row.usage_complete,
    timings_ms: row.timings_ms,
    created_at: row.created_at.toISOString(),
    finished_at: row.finished_at?.toISOString() ?? null,
  };
}
