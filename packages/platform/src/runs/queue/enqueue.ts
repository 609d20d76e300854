// Takes a run into the queue: its row and its call in one statement. What is taken is committed, and nothing else is
// needed to carry it out.

import { ServingError, type Dialect } from "@corral/contract";
import type { Pool } from "pg";
import { callQueryMs, storeError } from "../../store/retry.ts";
import type { Sealing } from "../../secrets/sealing.ts";
import { targetColumns, type NewTarget } from "../../webhook/target.ts";

/** Most bytes of the body of a call that waits in the queue. */
export const queuedBodyBytes = 1024 * 1024;
/** Most runs of a project that wait or run, unless the operator says otherwise. */
export const defaultQueueLength = 10_000;

/** How often a run may be given to a replica, and the pauses between. */
export interface RetryPlan {
  /** 1 to 10. */
  readonly maxAttempts: number;
  /** After the first attempt; doubled from attempt to attempt. */
  readonly initialDelayMs: number;
  readonly maxDelayMs: number;
}

/** Baseten's own where a call says nothing; the same for all families. */
export const defaultRetry: RetryPlan = { maxAttempts: 3, initialDelayMs: 1_000, maxDelayMs: 5_000 };
export const defaultPriority = 1;
/** A run that no replica was given for so long expires: 12 hours, the longest that Cerebrium lets one take. */
export const defaultQueueSeconds = 12 * 60 * 60;

export interface QueuedCall {
  readonly runId: string;
  readonly projectId: string;
  readonly deploymentId: string;
  readonly keyId: string | null;
  readonly dialect: Dialect;
  /** On the replica, query included. */
  readonly path: string;
  /** The caller's own, without keys and cookies: see `headersForQueue`. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  /** Its answer has nothing of the family's around it. */
  readonly isBare: boolean;
  /** False: its output is not kept. */
  readonly isStored: boolean;
  /** 0 to 2, 0 first. */
  readonly priority: number;
  readonly retry: RetryPlan;
  readonly queueSeconds: number;
  readonly webhook: NewTarget | null;
}

/** The database's clock says when: the clocks of several platform processes may differ. */
const text = `
  with run as (
    insert into runs (id, project_id, deployment_id, key_id, dialect, status, asynchronous, webhook, webhook_secret,
      created_at, stored)
    select $1::uuid, $2, $3, $4, $5, 'queued', true, $6::json, $18::bytea, now(), $17
    where (select count(*) from (select 1 from queue where project_id = $2 limit $7) as waiting) < $7
    returning id
  )
  insert into queue (run_id, project_id, deployment_id, priority, path, headers, body, is_bare, available_at,
    expires_at, queue_seconds, max_attempts, initial_delay_ms, max_delay_ms)
  select id, $2, $3, $8, $9, $10::json, $11, $12, now(), now() + $13::integer * interval '1 second',
    $13::integer, $14, $15, $16
  from run`;
const statement = { name: "enqueue-run", text, query_timeout: callQueryMs };

/** Fails with `queue_full` where `queueLength` runs of the project are in the queue, or with `database_unavailable`. */
export async function enqueue(
  pool: Pool,
  call: QueuedCall,
  sealing: Sealing,
  queueLength: number = defaultQueueLength,
): Promise<void> {
  // Not tried again: what was committed without an answer would be refused as a second one.
  const asked = pool.query({ ...statement, values: valuesOf(call, sealing, queueLength) });
  const { rowCount } = await asked.catch((error: unknown) => {
    throw storeError(error);
  });
  if (rowCount === 1) return;
  throw new ServingError(
    "queue_full",
    `${queueLength} runs of the project are in the queue; the call may be sent again when some have ended, or CORRAL_QUEUE_LENGTH allows more.`,
    { retryAfterSeconds: 5 },
  );
}

function valuesOf(call: QueuedCall, sealing: Sealing, queueLength: number): unknown[] {
  const { retry } = call;
  const target = call.webhook === null ? null : targetColumns(call.webhook, call.runId, sealing);
  return [
    call.runId,
    call.projectId,
    call.deploymentId,
    call.keyId,
    call.dialect,
    target?.webhook ?? null,
    queueLength,
    call.priority,
    call.path,
    JSON.stringify(call.headers),
    call.body,
    call.isBare,
    call.queueSeconds,
    retry.maxAttempts,
    retry.initialDelayMs,
    retry.maxDelayMs,
    call.isStored,
    target?.webhook_secret ?? null,
  ];
}
