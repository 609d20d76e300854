// One commit of the recorder: run changes and report numbers of many replicas, in one statement. The guards in the
// SQL are the transitions of `run-state.ts`; a queued run that ends is tried again or leaves the queue by a trigger
// (migration 0012).

import { ServingError, type RunError } from "@corral/contract";
import { CompiledQuery, sql } from "kysely";
import type { Pool } from "pg";
import { callQueryMs } from "../store/retry.ts";
import type { Db } from "../store/schema.ts";
import {
  foldReports,
  lengthOf,
  textLengthOf,
  type Batch,
  type Folded,
  type RunChange,
} from "./fold-reports.ts";
import { mayBeRetried } from "./run-state.ts";

interface LockedReplica {
  readonly id: string;
  readonly last_report: number;
  readonly status: string;
}

const lost: RunError = { code: "replica_lost", detail: "The replica ended before the run did." };

/**
 * The same as `writeBatches` in one round trip, for replicas whose committed number is known in `lastReports`.
 * Answers the new numbers of those that were written; one whose number was another, or that has ended, is left as
 * it was and not in the answer.
 */
export async function writeKnown(
  pool: Pool,
  batches: readonly Batch[],
  lastReports: ReadonlyMap<string, number>,
): Promise<Map<string, number>> {
  const before = new Map(batches.map(({ replicaId }) => [replicaId, lastReports.get(replicaId) ?? 0]));
  const folded = foldReports(batches, before);
  const values = writeValues(folded, before, { endedToo: false });
  const { rows } = await pool.query<{ id: string }>({ ...namedStatement, values });
  return new Map(rows.map(({ id }) => [id, folded.lastReports.get(id) ?? 0]));
}

/**
 * Answers the committed number of each replica. `db` is an open transaction.
 * Fails with `internal` where a batch names a replica that was never inserted.
 */
export async function writeBatches(db: Db, batches: readonly Batch[]): Promise<ReadonlyMap<string, number>> {
  const replicas = await lockReplicas(db, [...new Set(batches.map((batch) => batch.replicaId))]);
  const before = new Map([...replicas.values()].map((replica) => [replica.id, replica.last_report]));
  const folded = foldReports(batches, before);
  await db.executeQuery(CompiledQuery.raw(writeStatement, writeValues(folded, before, { endedToo: true })));
  await endRunsOfEnded(db, folded.changes, replicas);
  return folded.lastReports;
}

/** In one order for all, so that two recorders never wait for each other. */
async function lockReplicas(db: Db, ids: readonly string[]): Promise<Map<string, LockedReplica>> {
  const rows = await db
    .selectFrom("replicas")
    .select(["id", "last_report", "status"])
    .where("id", "in", ids)
    .orderBy("id")
    .forUpdate()
    .execute();
  const replicas = new Map(rows.map((row) => [row.id, row]));
  const unknown = ids.find((id) => !replicas.has(id));
  if (unknown !== undefined)
    throw new ServingError("internal", `Reports came from the unknown replica ${unknown}.`);
  return replicas;
}

/**
 * Replicas first: theirs is the lock that the end of a replica takes, too, and only runs of those that were taken
 * are written. A run that starts here is inserted as it stands at the end of the batch; any other is updated.
 * Project and deployment are the replica's own: what a report says of them is not trusted.
 */
const writeStatement = `
  with replica as (
    update replicas set last_report = row.number
    from unnest($1::text[], $2::bigint[], $3::bigint[]) as row (id, expected, number)
    where replicas.id = row.id and replicas.last_report = row.expected and ($4 or replicas.status <> 'ended')
    returning replicas.id, replicas.project_id, replicas.deployment_id
  ), change as (
    select * from unnest(
      $5::uuid[], $6::text[], $7::timestamptz[], $8::text[], $9::text[], $10::text[], $11::text[], $12::text[],
      $13::text[], $14::bigint[], $15::bigint[], $16::bigint[], $17::text[], $18::double precision[],
      $19::timestamptz[], $20::timestamptz[], $21::boolean[], $22::text[], $23::integer[],
      $32::boolean[]
    ) as row (id, replica_id, started_at, key_id, dialect, status, finish_reasons, output,
      error, prompt_tokens, cached_tokens, generated_tokens, timings_ms, run_time_ms,
      first_token_at, finished_at, stored, parameters, text_length, may_retry)
  ), inserted as (
    insert into runs (id, project_id, deployment_id, replica_id, key_id, dialect, status, finish_reasons, output,
      error, prompt_tokens, cached_tokens, generated_tokens, usage_complete, timings_ms, run_time_ms, created_at,
      first_token_at, finished_at, stored, parameters, text_length, may_retry)
    select change.id, replica.project_id, replica.deployment_id, replica.id, change.key_id, change.dialect,
      coalesce(change.status, 'running'), string_to_array(change.finish_reasons, ','), change.output,
      change.error::json, change.prompt_tokens, change.cached_tokens, change.generated_tokens,
      change.status is not null, change.timings_ms::jsonb, change.run_time_ms, change.started_at,
      change.first_token_at, change.finished_at, change.stored, change.parameters::json, change.text_length,
      change.may_retry
    from change join replica on replica.id = change.replica_id
    where change.started_at is not null
    -- A run that was queued, or whose start is told twice.
    on conflict (id) do update set
      status = excluded.status, finish_reasons = excluded.finish_reasons, output = excluded.output,
      error = excluded.error,
      prompt_tokens = case when excluded.usage_complete then excluded.prompt_tokens else greatest(runs.prompt_tokens, excluded.prompt_tokens) end,
      cached_tokens = case when excluded.usage_complete then excluded.cached_tokens else greatest(runs.cached_tokens, excluded.cached_tokens) end,
      generated_tokens = case when excluded.usage_complete then excluded.generated_tokens else greatest(runs.generated_tokens, excluded.generated_tokens) end,
      usage_complete = excluded.usage_complete,
      timings_ms = excluded.timings_ms, run_time_ms = excluded.run_time_ms,
      first_token_at = coalesce(runs.first_token_at, excluded.first_token_at), finished_at = excluded.finished_at,
      stored = runs.stored and excluded.stored, parameters = excluded.parameters, text_length = excluded.text_length,
      may_retry = excluded.may_retry
    where runs.status in ('queued', 'running') and runs.replica_id = excluded.replica_id
    returning runs.id, runs.attempt
  ), updated as (
    update runs set
      status = coalesce(change.status, 'running'),
      finish_reasons = string_to_array(change.finish_reasons, ','),
      output = change.output,
      error = change.error::json,
      -- The run's own last report stands as it is; before it, counts only grow.
      prompt_tokens = case when change.status is null then greatest(runs.prompt_tokens, change.prompt_tokens) else change.prompt_tokens end,
      cached_tokens = case when change.status is null then greatest(runs.cached_tokens, change.cached_tokens) else change.cached_tokens end,
      generated_tokens = case when change.status is null then greatest(runs.generated_tokens, change.generated_tokens) else change.generated_tokens end,
      usage_complete = change.status is not null,
      timings_ms = change.timings_ms::jsonb,
      run_time_ms = change.run_time_ms,
      first_token_at = coalesce(runs.first_token_at, change.first_token_at),
      finished_at = change.finished_at,
      text_length = coalesce(change.text_length, runs.text_length),
      may_retry = change.may_retry
    from change join replica on replica.id = change.replica_id
    where change.started_at is null and runs.id = change.id and runs.replica_id = change.replica_id
      and runs.status in ('queued', 'running')
    returning runs.id, runs.attempt
  ), written as (
    select id, attempt from inserted union all select id, attempt from updated
  ), texts as (
    -- Only of runs that are written here: what another replica says of them is none of theirs.
    insert into run_texts (run_id, attempt, at_offset, length, pieces)
    select row.run_id, written.attempt, row.at_offset, row.length, row.pieces
    from unnest($24::uuid[], $25::integer[], $26::integer[], $27::text[])
      as row (run_id, at_offset, length, pieces) join written on written.id = row.run_id
    on conflict do nothing
  ), answers as (
    insert into run_answers (run_id, status, content_type, body)
    select row.run_id, row.status, row.content_type, decode(row.body, 'base64')
    from unnest($28::uuid[], $29::smallint[], $30::text[], $31::text[])
      as row (run_id, status, content_type, body) join written on written.id = row.run_id
    on conflict do nothing
  )
  select id from replica`;

/** PostgreSQL parses and plans it once a connection. */
const namedStatement = { name: "write-reports", text: writeStatement, query_timeout: callQueryMs };

/** The parameters of `writeStatement`, in its order. */
function writeValues(
  { changes, lastReports }: Folded,
  before: ReadonlyMap<string, number>,
  { endedToo }: { readonly endedToo: boolean },
): unknown[] {
  const numbers = [...lastReports];
  const finished = changes.map((change) => change.finished?.report ?? null);
  const usage = changes.map((change) => change.finished?.report.usage ?? change.usage);
  const timings = finished.map((report) => report?.timings_ms ?? null);
  const texts = changes.flatMap(({ runId, texts: ofRun }) => ofRun.map((text) => ({ runId, text })));
  const answers = finished.flatMap((report) =>
    report?.answer === undefined ? [] : [{ runId: report.run_id, ...report.answer }],
  );
  return [
    numbers.map(([id]) => id),
    numbers.map(([id]) => before.get(id) ?? 0),
    numbers.map(([, number]) => number),
    endedToo,
    changes.map((change) => change.runId),
    changes.map((change) => change.replicaId),
    changes.map(({ started }) => (started === null ? null : arrivalOf(started))),
    changes.map((change) => change.started?.report.key_id ?? null),
    changes.map((change) => change.started?.report.dialect ?? null),
    finished.map((report) => report?.status ?? null),
    finished.map((report) => report?.finish_reasons.join(",") ?? ""),
    finished.map((report) => (report === null ? null : outputText(report.output))),
    finished.map((report) => errorText(report?.error ?? null)),
    usage.map((counts) => counts.prompt_tokens),
    usage.map((counts) => counts.cached_tokens),
    usage.map((counts) => counts.generated_tokens),
    timings.map((timing) => (timing === null ? null : JSON.stringify(timing))),
    timings.map((timing) => (timing === null ? null : timing.prefill + timing.decode)),
    changes.map((change) => change.firstTokenAt),
    changes.map((change) => change.finished?.at ?? null),
    changes.map((change) => change.started?.report.stored ?? true),
    changes.map(({ started }) => parametersText(started?.report.parameters)),
    changes.map(textLengthOf),
    texts.map(({ runId }) => runId),
    texts.map(({ text }) => text.at),
    texts.map(({ text }) => lengthOf(text)),
    texts.map(({ text }) => JSON.stringify(text.pieces)),
    answers.map(({ runId }) => runId),
    answers.map(({ status }) => status),
    answers.map(({ content_type: type }) => type),
    answers.map(({ body_base64: body }) => body),
    finished.map((report) => mayRetry(report?.error ?? null)),
  ];
}

/** A call is older than its run's first report by what it took to come there; no clock makes it older than it can be. */
const longestAdmissionMs = 24 * 60 * 60_000;

function arrivalOf({ report, at }: NonNullable<RunChange["started"]>): Date {
  const arrivedMs = report.arrived_ms ?? at.getTime();
  return new Date(Math.min(at.getTime(), Math.max(arrivedMs, at.getTime() - longestAdmissionMs)));
}

function parametersText(parameters: Readonly<Record<string, unknown>> | undefined): string | null {
  return parameters === undefined ? null : JSON.stringify(parameters);
}

/** A run that started in a replica that has ended meanwhile, as far as it got, is failed here: nobody else will. */
async function endRunsOfEnded(
  db: Db,
  changes: readonly RunChange[],
  replicas: ReadonlyMap<string, LockedReplica>,
): Promise<void> {
  const ended = changes.filter((change) => replicas.get(change.replicaId)?.status === "ended");
  const [first] = ended;
  if (first === undefined) return;
  await db
    .updateTable("runs")
    .set({
      status: "failed",
      error: JSON.stringify(lost),
      may_retry: true,
      finished_at: first.started?.at ?? first.firstTokenAt ?? sql<Date>`now()`,
    })
    .where("replica_id", "in", [...new Set(ended.map((change) => change.replicaId))])
    .where("status", "in", ["queued", "running"])
    .execute();
}

function mayRetry(error: RunError | null): boolean {
  return error !== null && mayBeRetried(error.code);
}

function errorText(error: RunError | null): string | null {
  return error === null ? null : JSON.stringify(error);
}

/** Null for no output, and for one that is nested too deeply to be written as text. */
function outputText(output: unknown): string | null {
  if (output === undefined || output === null) return null;
  try {
    return JSON.stringify(output);
  } catch (error) {
    if (error instanceof RangeError) return null;
    throw error;
  }
}
