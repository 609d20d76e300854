// What is left of a platform process that is gone for good, and words that were lost.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { startTestPlatform } from "../../testing/start-test-platform.ts";
import { until } from "../../testing/until.ts";
import { createClaims } from "../../replica/claims.ts";
import { getRun } from "../../store/runs.ts";

const times = { pollMs: 50, sweepMs: 50, foreignMs: 100, orphanMs: 0 };
const platform = await startTestPlatform({ queueOptions: { times } });
const { pool, db } = platform.store;
const deployment = await platform.deploy("fake");

test("runs in a replica of a process that is gone are carried out by the one that has its deployment now", async () => {
  const [queued, waited] = [randomUUID(), randomUUID()];
  const client = await pool.connect();
  try {
    await client.query("begin");
    await client.query(
      `insert into replicas (id, project_id, deployment_id, platform_id, address, status)
        values ('gone', 'default', $1, 'gone', 'unix:/nowhere', 'ready')`,
      [deployment.id],
    );
    await client.query(
      `insert into runs (id, project_id, deployment_id, replica_id, dialect, status, asynchronous, attempt)
        select id, 'default', $1, 'gone', 'corral', 'running', asynchronous, 1
        from unnest($2::uuid[], array[true, false]) as run (id, asynchronous)`,
      [deployment.id, [queued, waited]],
    );
    await client.query(
      `insert into queue (run_id, project_id, deployment_id, path, headers, body, available_at, expires_at, max_attempts,
          initial_delay_ms, max_delay_ms, platform_id, leased_until)
        values ($1, 'default', $2, '/predict', '{}', '{}', now(), now() + interval '1 hour', 3, 0, 0, 'gone', now())`,
      [queued, deployment.id],
    );
    await client.query("commit");
  } finally {
    client.release();
  }
  const statusOf = async (id: string) => (await getRun(db, "default", id))?.status;
  await until("the queued one is carried out again", async () => (await statusOf(queued)) === "succeeded");
  assert.equal((await getRun(db, "default", queued))?.attempt, 2);
  await until("the other one has failed", async () => (await statusOf(waited)) === "failed");
  assert.equal((await getRun(db, "default", waited))?.error?.code, "replica_lost");
});

test("runs in a replica of a process that is gone end though nobody wants its deployment any more", async () => {
  const claims = createClaims(pool);
  using _closing = { [Symbol.dispose]: () => claims.close() };
  assert.equal(await claims.hold("unwanted"), true);
  const id = randomUUID();
  await pool.query(
    `with unwanted as (
        insert into deployments (id, project_id, model_id, version_id, name, settings, desired, status)
        select 'unwanted', project_id, model_id, version_id, 'unwanted', settings, 'stopped', 'stopped'
        from deployments where id = $1 returning id, project_id
      ), replica as (
        insert into replicas (id, project_id, deployment_id, platform_id, address, status)
        select 'left', project_id, id, 'gone', 'unix:/nowhere', 'ready' from unwanted returning id
      )
      insert into runs (id, project_id, deployment_id, replica_id, dialect, status)
      select $2::uuid, project_id, unwanted.id, replica.id, 'corral', 'running' from unwanted, replica`,
    [deployment.id, id],
  );
  await sleep(6 * times.sweepMs);
  assert.equal((await getRun(db, "default", id))?.status, "running", "its process may still end it");
  await claims.release("unwanted");
  await until("it has failed", async () => (await getRun(db, "default", id))?.status === "failed");
  assert.equal((await getRun(db, "default", id))?.error?.code, "replica_lost");
});

test("a run that is to end is ended though its replica's process never heard of it", async () => {
  const response = await platform.post("/fake/predict", { wait_ms: 60_000 }, { prefer: "respond-async" });
  const { run_id: id } = (await response.json()) as { run_id: string };
  await until("it runs", async () => (await getRun(db, "default", id))?.status === "running");
  await pool.query("update runs set cancel_requested_at = now() where id = $1", [id]);
  await until("it has ended", async () => (await getRun(db, "default", id))?.status === "canceled");
});

test("a run whose process does not renew its lease is taken by another one", async () => {
  const id = randomUUID();
  await pool.query(
    `with run as (
        insert into runs (id, project_id, deployment_id, dialect, status, asynchronous)
        values ($1, 'default', $2, 'corral', 'queued', true) returning id
      )
      insert into queue (run_id, project_id, deployment_id, path, headers, body, available_at, expires_at, max_attempts,
        initial_delay_ms, max_delay_ms, platform_id, leased_until)
      select id, 'default', $2, '/predict', '{}', '{}', now(), now() + interval '1 hour', 1, 0, 0, 'gone',
        now() + interval '200 milliseconds' from run`,
    [id, deployment.id],
  );
  await until("it is carried out", async () => (await getRun(db, "default", id))?.status === "succeeded");
});

// The last test: the database of `store/testing.ts` ends before any hook of this file.
test("closing ends what is left", async () => {
  await platform[Symbol.asyncDispose]();
});
