import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import type { Report, ReportBody } from "@corral/contract";
import fc from "fast-check";
import type { Pool, QueryConfig } from "pg";
import { pino } from "pino";
import { createSealing } from "../../secrets/sealing.ts";
import { createDeployment } from "../../store/change-deployments.ts";
import { randomId } from "../../store/ids.ts";
import { getOrCreateModel } from "../../store/models.ts";
import { endReplica, insertReplica } from "../../store/replicas.ts";
import { getRun, toRun } from "../../store/runs.ts";
import { openTestStore } from "../../store/testing.ts";
import { insertVersion } from "../../store/versions.ts";
import { createRunRecorder } from "../recorder.ts";
import { nextRunState, waitingRun, type RunEvent, type RunState } from "../run-state.ts";
import { requestCancel } from "./cancel.ts";
import { enqueue, type QueuedCall } from "./enqueue.ts";
import { expectRun } from "./expected.ts";
import { claim, endUnstarted, give, putBack, renew, type LeasedRun } from "./leases.ts";
import { endForgotten, expireRuns, takeBackLapsed } from "./sweep.ts";
import { startQueueWorker } from "./worker.ts";

const store = await openTestStore();
const { db, pool } = store;
const sealing = createSealing({ keys: [Buffer.alloc(32, 9)] });
const now = () => new Date();
const lost = { code: "replica_lost", detail: "gone" } as const;
const refused = { error: { code: "invalid_parameter", detail: "no" }, output: null } as const;

test("a run is found from the moment it is in the queue, and its call is kept byte for byte", async () => {
  const of = await makeDeployment();
  const body = Buffer.from([0, 1, 255, 128]);
  const runId = await add(of, {
    body,
    headers: { "content-type": "application/octet-stream" },
    isBare: true,
  });
  const run = toRun((await getRun(db, "default", runId)) ?? assert.fail());
  assert.deepEqual([run.status, run.usage, run.timings_ms, run.error], ["queued", null, null, null]);
  const [leased] = await take(of);
  assert.equal(leased?.runId, runId);
  assert.deepEqual([...(leased?.body ?? [])], [...body]);
  assert.deepEqual(
    [leased?.headers, leased?.isBare, leased?.path, leased?.keyId],
    [{ "content-type": "application/octet-stream" }, true, "/predict", null],
  );
});

test("lower priority numbers come first, then those that wait longest", async () => {
  const of = await makeDeployment();
  const ids: string[] = [];
  for (const priority of [2, 1, 1, 0]) ids.push(await add(of, { priority }));
  const taken = (await take(of)).map(({ runId }) => runId);
  assert.deepEqual(taken, [ids[3], ids[1], ids[2], ids[0]]);
});

test("many claimants share the runs, and none is taken twice", async () => {
  const of = await makeDeployment();
  const ids = await Promise.all(Array.from({ length: 60 }, () => add(of)));
  const taken = await Promise.all(
    Array.from({ length: 8 }, async (_, index) => {
      const own: string[] = [];
      for (;;) {
        const runs = await take(of, { platformId: `p${index}`, count: 3 });
        if (runs.length === 0) return own;
        own.push(...runs.map(({ runId }) => runId));
      }
    }),
  );
  assert.deepEqual(taken.flat().toSorted(), ids.toSorted());
});

test("whoever lost its lease can do nothing to the run, not even where the same process has it again", async () => {
  const of = await makeDeployment();
  const replicaId = await makeReplica(of);
  const runId = await add(of);
  const [before] = await take(of, { leaseMs: 0 });
  assert.ok(before);
  await sleepMs(2);
  assert.equal(await takeBackLapsed(pool), 1);
  const [after] = await take(of);
  assert.ok(after && after.fence > before.fence);
  assert.equal(await give(pool, before, replicaId), null);
  await endUnstarted(pool, before, { ...refused, mayRetry: false });
  await putBack(pool, before, { pauseMs: 0 });
  assert.deepEqual([...(await renew(pool, [before, after], 60_000))], [runId]);
  assert.equal((await getRun(db, "default", runId))?.status, "queued");
  assert.equal(await give(pool, after, replicaId), 1);
});

test("a run is given once: a second replica of the same lease is refused", async () => {
  const of = await makeDeployment();
  const [one, other] = [await makeReplica(of), await makeReplica(of)];
  await add(of);
  const [run] = await take(of);
  assert.ok(run);
  assert.deepEqual([await give(pool, run, one), await give(pool, run, other)], [1, null]);
});

test("what waits too long expires, also while a process waits for its model; what a replica has does not", async () => {
  const of = await makeDeployment();
  const replicaId = await makeReplica(of);
  const [waiting, taken, given] = [
    await add(of, { queueSeconds: 0 }),
    await add(of, { queueSeconds: 60 }),
    await add(of, { queueSeconds: 60 }),
  ];
  const runs = await take(of, { count: 2 });
  await give(pool, runs.find(({ runId }) => runId === given) ?? assert.fail(), replicaId);
  await pool.query("update queue set expires_at = now() - interval '1 second' where deployment_id = $1", [
    of,
  ]);
  await expireRuns(pool);
  const statuses = await Promise.all([waiting, taken, given].map((id) => getRun(db, "default", id)));
  assert.deepEqual(
    statuses.map((row) => [row?.status, row?.error?.code ?? null]),
    [
      ["expired", "expired"],
      ["expired", "expired"],
      ["queued", null],
    ],
  );
  assert.deepEqual(await queuedIds(of), [given]);
});

test("a run whose caller waited, and that nobody began or ended, fails when its call must be over", async () => {
  const of = await makeDeployment();
  const webhook = { url: "https://example.com/", dialect: "corral", secret: null } as const;
  const own = { projectId: "default", deploymentId: of, keyId: null, dialect: "corral" } as const;
  const [old, young] = [randomUUID(), randomUUID()];
  for (const runId of [old, young])
    await expectRun(
      pool,
      { ...own, runId, replicaId: await makeReplica(of), isStored: true, webhook },
      sealing,
    );
  await pool.query("update runs set created_at = now() - interval '26 minutes' where id = $1", [old]);
  const waiting = await add(of);
  await pool.query("update runs set created_at = now() - interval '26 minutes' where id = $1", [waiting]);
  assert.equal(await endForgotten(pool), 1);
  const { rows } = await pool.query("select id from runs where id = any ($1) and status = 'failed'", [
    [old, young, waiting],
  ]);
  assert.deepEqual(rows, [{ id: old }]);
});

test("the runs of a process that has begun anew are taken back at once", async () => {
  const of = await makeDeployment();
  const runId = await add(of);
  await take(of, { platformId: "gone" });
  assert.equal((await take(of)).length, 0);
  assert.equal(await takeBackLapsed(pool, { platformId: "gone" }), 1);
  assert.deepEqual(
    (await take(of)).map((run) => run.runId),
    [runId],
  );
});

test("a run that was taken with a lost answer is taken again at once, as the lease is this process' own", async () => {
  const deploymentId = await makeDeployment();
  const runId = await add(deploymentId);
  let isLost = false;
  const carried = Promise.withResolvers<LeasedRun>();
  const worker = startQueueWorker({
    pool: {
      async query(asked: QueryConfig) {
        const answer = await pool.query(asked);
        // The statement is committed; its answer is lost with the connection.
        if (asked.name !== "claim-runs" || isLost || answer.rowCount === 0) return answer;
        isLost = true;
        throw new Error("Connection terminated unexpectedly");
      },
    } as unknown as Pool,
    platformId: "unlucky",
    log: pino({ level: "silent" }),
    rooms: () => [{ deploymentId, inFlightCount: 0, bound: 8 }],
    carryOut: async (run) => carried.resolve(run),
    onSweep: async () => {},
    times: { pollMs: 20, leaseMs: 3_600_000, foreignMs: 3_600_000 },
  });
  const run = await carried.promise;
  await worker.close();
  assert.deepEqual([isLost, run.runId], [true, runId]);
});

test("a run that is left while leases are taken back is taken again as well", async () => {
  const deploymentId = await makeDeployment();
  const runId = await add(deploymentId);
  const [asked, left, again] = [
    Promise.withResolvers<void>(),
    Promise.withResolvers<void>(),
    Promise.withResolvers<LeasedRun>(),
  ];
  let claimCount = 0;
  const worker = startQueueWorker({
    pool: {
      async query(query: QueryConfig) {
        // The second answer is lost; what is taken back after it is slow.
        if (query.name === "claim-runs" && ++claimCount === 2)
          throw new Error("Connection terminated unexpectedly");
        if (query.name === "take-back-runs" && query.values?.[0] === "slow") {
          asked.resolve();
          await left.promise;
        }
        return await pool.query(query);
      },
    } as unknown as Pool,
    platformId: "slow",
    log: pino({ level: "silent" }),
    rooms: () => [{ deploymentId, inFlightCount: 0, bound: 8 }],
    async carryOut(run, { onLeft }) {
      if (run.fence > 1) return again.resolve(run);
      await asked.promise;
      onLeft();
      setImmediate(left.resolve);
    },
    onSweep: async () => {},
    times: { pollMs: 20, leaseMs: 3_600_000, foreignMs: 3_600_000 },
  });
  assert.equal((await again.promise).runId, runId);
  await worker.close();
});

test("the queue of a project has an end, another's is not touched by it", async () => {
  const of = await makeDeployment();
  const other = randomId();
  await pool.query("insert into projects (id, name) values ($1, $1)", [other]);
  for (let count = 0; count < 3; count += 1) await enqueue(pool, call(of, { projectId: other }), sealing, 3);
  const runId = randomUUID();
  await assert.rejects(enqueue(pool, call(of, { projectId: other, runId }), sealing, 3), {
    code: "queue_full",
    retryAfterSeconds: 5,
  });
  assert.equal(await getRun(db, other, runId), null);
  await add(of);
});

test("a canceled run that waits is ended at once; one that has ended stays as it is", async () => {
  const of = await makeDeployment();
  const runId = await add(of);
  assert.equal(await requestCancel(pool, "nobody", runId), null);
  assert.deepEqual(await requestCancel(pool, "default", runId), { runId, replicaId: null, isEnded: true });
  assert.equal(await requestCancel(pool, "default", runId), null);
  assert.equal((await take(of)).length, 0);
  assert.deepEqual(await queuedIds(of), []);
});

test("pauses grow from attempt to attempt", async () => {
  const of = await makeDeployment();
  const runId = await add(of, { retry: { maxAttempts: 4, initialDelayMs: 10_000, maxDelayMs: 30_000 } });
  const pauses: number[] = [];
  for (let attempt = 1; attempt <= 3; attempt += 1) {
    await pool.query("update queue set available_at = now() where run_id = $1", [runId]);
    const [run] = await take(of);
    assert.ok(run);
    assert.equal(await give(pool, run, await makeReplica(of)), attempt);
    await endUnstarted(pool, run, { ...refused, mayRetry: true });
    const { rows } = await pool.query<{ seconds: number }>(
      "select extract(epoch from available_at - now())::float8 seconds from queue where run_id = $1",
      [runId],
    );
    pauses.push(Math.ceil(rows[0]?.seconds ?? 0));
  }
  assert.deepEqual(pauses, [10, 20, 30]);
});

test("a run that takes longer than it may wait is tried again all the same, and may wait as long again", async () => {
  const of = await makeDeployment();
  const runId = await add(of, { queueSeconds: 60 });
  for (let attempt = 1; attempt <= 2; attempt += 1) {
    const [run] = await take(of);
    assert.ok(run);
    await give(pool, run, await makeReplica(of));
    await pool.query("update queue set expires_at = now() - interval '5 minutes' where run_id = $1", [runId]);
    await endUnstarted(pool, run, { ...refused, mayRetry: true });
    const { rows } = await pool.query<{ seconds: number }>(
      "select extract(epoch from expires_at - available_at)::float8 seconds from queue where run_id = $1",
      [runId],
    );
    assert.deepEqual(rows, [{ seconds: 60 }]);
  }
});

type Step =
  | "claim"
  | "give"
  | "started"
  | "succeeded"
  | "failed"
  | "failed_in_passing"
  | "left"
  | "refused"
  | "refused_in_passing"
  | "put_back"
  | "replica_lost"
  | "worker_lost"
  | "cancel"
  | "expire";
const steps: readonly Step[] = [
  "claim",
  "give",
  "started",
  "succeeded",
  "failed",
  "failed_in_passing",
  "left",
  "refused",
  "refused_in_passing",
  "put_back",
  "replica_lost",
  "worker_lost",
  "cancel",
  "expire",
];

test("whatever happens in whatever order, the database says what the pure state machine says", async () => {
  const step = fc.oneof(
    // What leads on comes more often than what ends.
    {
      weight: 6,
      arbitrary: fc.constantFrom<Step>("claim", "give", "started", "failed_in_passing", "replica_lost"),
    },
    { weight: 4, arbitrary: fc.constantFrom(...steps) },
  );
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 3 }),
      fc.array(step, { minLength: 4, maxLength: 24 }),
      (maxAttempts, taken) => checkAgainstMachine(maxAttempts, taken),
    ),
    { numRuns: process.env["CORRAL_LONG_TESTS"] === "1" ? 400 : 25 },
  );
});

async function checkAgainstMachine(maxAttempts: number, taken: readonly Step[]): Promise<void> {
  const of = await makeDeployment();
  const recorder = createRunRecorder({ store, now });
  let replica = { id: await makeReplica(of), number: 0 };
  let lease: LeasedRun | null = null;
  const runId = await add(of, { retry: { maxAttempts, initialDelayMs: 0, maxDelayMs: 0 } });
  let state: RunState = waitingRun(maxAttempts);
  const report = async (body: ReportBody) => {
    replica.number += 1;
    const numbered: Report = { number: replica.number, report: body };
    await recorder.record(replica.id, [numbered]);
  };
  const apply = (event: RunEvent) => (state = nextRunState(state, event));
  const finished = async (
    status: "succeeded" | "failed" | "canceled",
    code: "code_failed" | "client_closed" | "invalid_parameter",
  ) => {
    const usage = { prompt_tokens: 3, cached_tokens: 1, generated_tokens: replica.number };
    const error = status === "succeeded" ? null : { code, detail: "so it is" };
    await report({
      kind: "finished",
      run_id: runId,
      status,
      finish_reasons: [],
      output: "text",
      error,
      usage,
      timings_ms: { queue: 1, load: 0, prefill: 3, decode: 4, total: 8 },
    });
    apply({ kind: "finished", status, usage, mayRetry: error !== null && code !== "invalid_parameter" });
  };
  for (const step of taken) {
    switch (step) {
      case "claim":
        lease = (await take(of))[0] ?? lease;
        break;
      case "give":
        if (lease !== null && (await give(pool, lease, replica.id)) !== null) apply({ kind: "given" });
        break;
      case "started":
        await report(startedReport(runId));
        apply({ kind: "started", promptTokenCount: 3 });
        break;
      case "succeeded":
        await finished("succeeded", "code_failed");
        break;
      case "failed":
        await finished("failed", "invalid_parameter");
        break;
      case "failed_in_passing":
        await finished("failed", "code_failed");
        break;
      case "left":
        await finished("canceled", "client_closed");
        break;
      case "refused":
      case "refused_in_passing": {
        const mayRetry = step === "refused_in_passing";
        if (lease === null || !(await isMine(lease))) break;
        await endUnstarted(pool, lease, { ...refused, mayRetry });
        apply({ kind: "refused", mayRetry });
        break;
      }
      case "put_back":
        if (lease === null || !(await isMine(lease))) break;
        await putBack(pool, lease, { pauseMs: 0 });
        apply({ kind: "returned" });
        break;
      case "replica_lost":
        await endReplica(db, replica.id, { now: now(), detail: "killed", error: lost });
        apply({ kind: "replica_lost" });
        replica = { id: await makeReplica(of), number: 0 };
        break;
      case "worker_lost":
        if (lease === null || !(await isMine(lease))) break;
        await takeBackLapsed(pool, { platformId: "p" });
        apply({ kind: "worker_lost" });
        break;
      case "cancel":
        await requestCancel(pool, "default", runId);
        apply({ kind: "cancel_requested" });
        break;
      case "expire":
        await pool.query("update queue set expires_at = now() - interval '1 second' where run_id = $1", [
          runId,
        ]);
        await expireRuns(pool);
        apply({ kind: "expired" });
        await pool.query("update queue set expires_at = now() + interval '1 hour' where run_id = $1", [
          runId,
        ]);
        break;
    }
    const row = (await getRun(db, "default", runId)) ?? assert.fail();
    const ended = !["queued", "running"].includes(row.status);
    assert.deepEqual(
      {
        status: row.status,
        usage: [row.prompt_tokens, row.cached_tokens, row.generated_tokens],
        usageComplete: row.usage_complete,
        attempt: row.attempt,
        isGiven: ended ? state.isGiven : row.replica_id !== null,
        isQueued: (await queuedIds(of)).length === 1,
      },
      {
        status: state.status,
        usage: [state.usage.prompt_tokens, state.usage.cached_tokens, state.usage.generated_tokens],
        usageComplete: state.usageComplete,
        attempt: state.attempt,
        isGiven: state.isGiven,
        isQueued: !ended,
      },
      step,
    );
    assert.equal(row.finished_at !== null, ended);
  }
  await recorder.close();
}

async function isMine({ runId, fence }: LeasedRun): Promise<boolean> {
  const { rowCount } = await pool.query(
    "select 1 from queue where run_id = $1 and fence = $2 and leased_until is not null",
    [runId, fence],
  );
  return rowCount === 1;
}

function startedReport(runId: string): ReportBody {
  return {
    kind: "started",
    run_id: runId,
    project_id: "default",
    key_id: null,
    dialect: "corral",
    prompt_tokens: 3,
    sequence_count: 1,
  };
}

function take(of: string, options: { platformId?: string; count?: number; leaseMs?: number } = {}) {
  return claim(pool, { platformId: "p", count: 100, leaseMs: 60_000, ...options, from: { of: [of] } });
}

async function add(of: string, changes: Partial<QueuedCall> = {}): Promise<string> {
  const queued = call(of, changes);
  await enqueue(pool, queued, sealing);
  return queued.runId;
}

function call(of: string, changes: Partial<QueuedCall> = {}): QueuedCall {
  return {
    runId: randomUUID(),
    projectId: "default",
    deploymentId: of,
    keyId: null,
    dialect: "corral",
    path: "/predict",
    headers: {},
    body: Buffer.from("{}"),
    isBare: false,
    isStored: true,
    priority: 1,
    retry: { maxAttempts: 3, initialDelayMs: 0, maxDelayMs: 0 },
    queueSeconds: 600,
    webhook: null,
    ...changes,
  };
}

async function queuedIds(of: string): Promise<string[]> {
  const { rows } = await pool.query<{ run_id: string }>("select run_id from queue where deployment_id = $1", [
    of,
  ]);
  return rows.map((row) => row.run_id);
}

async function makeDeployment(): Promise<string> {
  const name = `m${randomId()}`;
  const model = await getOrCreateModel(db, "default", name);
  const { row: version } = await insertVersion(db, {
    projectId: "default",
    modelId: model.id,
    digest: "d",
    manifest: {},
    weightsPath: "/w",
    weightsSha256: "s",
  });
  const input = {
    projectId: "default",
    modelId: model.id,
    versionId: version.id,
    name,
    identifiers: [],
    settings: {},
  };
  return (await createDeployment(db, input)).id;
}

async function makeReplica(deploymentId: string): Promise<string> {
  const input = { projectId: "default", deploymentId, platformId: "p", address: "unix:/x" };
  return (await insertReplica(db, { id: randomId(), ...input })).id;
}

function sleepMs(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
