import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import type { Report, ReportBody, Usage } from "@corral/contract";
import fc from "fast-check";
import { createDeployment } from "../store/change-deployments.ts";
import { randomId } from "../store/ids.ts";
import { getOrCreateModel } from "../store/models.ts";
import { endReplica, findReplica, insertReplica } from "../store/replicas.ts";
import { endOpenRunsOfReplica, getRun, toRun } from "../store/runs.ts";
import { openTestStore } from "../store/testing.ts";
import { readTextAfter } from "../store/run-streams.ts";
import { insertVersion } from "../store/versions.ts";
import { createRunRecorder, type RunRecorder } from "./recorder.ts";
import { nextRunState, queuedRun, type RunEvent } from "./run-state.ts";

const store = await openTestStore();
const { db } = store;
const now = () => new Date();
const deployment = await makeDeployment();
const lost = { code: "replica_lost", detail: "gone" } as const;

test("a run is written as it was reported", async () => {
  const replicaId = await makeReplica();
  const runId = randomUUID();
  const recorder = createRunRecorder({ store, now });
  const reports = numbered([
    {
      kind: "ready",
      weights_sha256: null,
      context_length: 128,
      precision: "default",
      load_ms: 5,
      compute: {
        backend: "cpu",
        libraries: "packaged",
        devices: [],
        gpu_layers: 0,
        layer_count: 1,
        threads: 1,
      },
    },
    started(runId),
    { kind: "first_token", run_id: runId },
    progress(runId, 3, 1, 2),
    finished(runId, { output: { text: "hello" }, finish_reasons: ["stop", "length"] }),
  ]);
  assert.equal(await recorder.record(replicaId, reports), 5);
  const row = await getRun(db, "default", runId);
  assert.ok(row?.first_token_at && row.finished_at);
  assert.equal(row.key_id, "key00001");
  assert.equal(row.run_time_ms, 7);
  assert.deepEqual(row.finish_reasons, ["stop", "length"]);
  const { created_at, finished_at, ...run } = toRun(row);
  assert.deepEqual(run, {
    run_id: runId,
    status: "succeeded",
    deployment_id: deployment.id,
    dialect: "corral",
    key_id: "key00001",
    asynchronous: false,
    attempt: 0,
    stored: true,
    output: { text: "hello" },
    error: null,
    usage: { prompt_tokens: 3, cached_tokens: 1, generated_tokens: 4 },
    usage_complete: true,
    timings_ms: { queue: 1, load: 0, prefill: 3, decode: 4, total: 9 },
  });
});

test("a first token is as old as its replica says, and never younger than its report", async () => {
  const arrivedAt = new Date("2026-11-21T12:00:00.500Z");
  const recorder = createRunRecorder({ store, now: () => arrivedAt });
  for (const [offsetMs, expectedMs] of [
    [-40, -40],
    [7_000, 0],
  ] as const) {
    const runId = randomUUID();
    const at_ms = arrivedAt.getTime() + offsetMs;
    const reports = numbered([started(runId), { kind: "first_token", run_id: runId, at_ms }]);
    await recorder.record(await makeReplica(), reports);
    const row = await getRun(db, "default", runId);
    assert.equal(row?.first_token_at?.getTime(), arrivedAt.getTime() + expectedMs);
  }
});

test("text, parameters and a whole answer are written with the run, and only for the replica that has it", async () => {
  const [replicaId, stranger] = [await makeReplica(), await makeReplica()];
  const runId = randomUUID();
  const recorder = createRunRecorder({ store, now });
  const arrivedMs = Date.now() - 5_000;
  const begun = { ...started(runId), arrived_ms: arrivedMs, follows_text: true, parameters: { top_k: 3 } };
  await recorder.record(replicaId, numbered([begun, withText(progress(runId, 3, 0, 1), 0, "a\u0000🐎")]));
  await recorder.record(stranger, numbered([withText(progress(runId, 3, 0, 1), 4, "not mine")]));
  const answer = { status: 207, content_type: "text/plain", body_base64: "AAH/" };
  const last = withText(progress(runId, 3, 0, 2), 4, "b");
  await recorder.record(replicaId, numbered([last, finished(runId, { answer })], 3));
  const row = await getRun(db, "default", runId);
  assert.equal(row?.created_at.getTime(), arrivedMs);
  assert.deepEqual([row.text_length, row.parameters], [5, { top_k: 3 }]);
  const texts = await readTextAfter(store, runId, { attempt: 0, at: 0 });
  assert.deepEqual(texts, [
    { at: 0, pieces: [[0, 0, "a\u0000🐎"]] },
    { at: 4, pieces: [[0, 0, "b"]] },
  ]);
  const kept = await db.selectFrom("run_answers").selectAll().where("run_id", "=", runId).executeTakeFirst();
  assert.deepEqual(
    [kept?.status, kept?.content_type, kept?.body.toString("hex")],
    [207, "text/plain", "0001ff"],
  );
  await db.deleteFrom("runs").where("id", "=", runId).execute();
  assert.deepEqual(await readTextAfter(store, runId, { attempt: 0, at: 0 }), []);
});

test("reports that are sent again change nothing, and a gap is not acknowledged", async () => {
  const replicaId = await makeReplica();
  const runId = randomUUID();
  const recorder = createRunRecorder({ store, now });
  const reports = numbered([started(runId), progress(runId, 3, 0, 9), finished(runId)]);
  assert.equal(await recorder.record(replicaId, reports.slice(0, 2)), 2);
  assert.equal(await recorder.record(replicaId, reports.slice(0, 1)), 2);
  const late = { number: 9, report: finished(runId, { status: "failed" }) };
  assert.equal(await recorder.record(replicaId, [late]), 2);
  assert.equal((await getRun(db, "default", runId))?.status, "running");
  assert.equal(await recorder.record(replicaId, reports), 3);
  assert.equal(await recorder.record(replicaId, reports), 3);
  assert.equal((await getRun(db, "default", runId))?.status, "succeeded");
  assert.equal((await findReplica(db, replicaId))?.last_report, 3);
});

test("the batches of many replicas share a few commits", async () => {
  const recorder = createRunRecorder({ store, now });
  const replicaIds = await Promise.all(Array.from({ length: 20 }, () => makeReplica()));
  const runIds: string[] = [];
  const begun = performance.now();
  await Promise.all(
    replicaIds.map(async (replicaId) => {
      for (let call = 0; call < 10; call++) {
        const runId = randomUUID();
        runIds.push(runId);
        const reports = numbered([started(runId), finished(runId)], call * 2 + 1);
        assert.equal(await recorder.record(replicaId, reports), call * 2 + 2);
      }
    }),
  );
  const elapsedMs = performance.now() - begun;
  const commits = await commitCount(runIds);
  assert.ok(commits < 60, `${commits} commits for 200 runs`);
  console.log(`# 200 runs in ${commits} commits, ${Math.round(elapsedMs)} ms`);
});

test("a run that was failed with its replica stays failed, with the last counts reported", async () => {
  const replicaId = await makeReplica();
  const recorder = createRunRecorder({ store, now });
  const [open, done] = [randomUUID(), randomUUID()];
  const reports = numbered([started(open), started(done), progress(open, 3, 1, 17), finished(done)]);
  await recorder.record(replicaId, reports);
  assert.deepEqual(await endOpenRunsOfReplica(db, replicaId, lost, now()), [open]);
  await recorder.record(replicaId, numbered([progress(open, 3, 1, 30), finished(open)], 5));
  const run = toRun((await getRun(db, "default", open)) ?? assert.fail());
  assert.equal(run.status, "failed");
  assert.deepEqual(run.error, lost);
  assert.equal(run.usage?.generated_tokens, 17);
  assert.equal(run.usage_complete, false);
  assert.equal((await getRun(db, "default", done))?.status, "succeeded");
});

test("a run that is first heard of after its replica ended is not left open", async () => {
  const replicaId = await makeReplica();
  const recorder = createRunRecorder({ store, now });
  await endReplica(db, replicaId, { now: now(), detail: "signal SIGKILL", error: lost });
  const [open, done] = [randomUUID(), randomUUID()];
  await recorder.record(replicaId, numbered([started(open), started(done), finished(done)]));
  assert.equal((await getRun(db, "default", open))?.status, "failed");
  assert.equal((await getRun(db, "default", done))?.status, "succeeded");
});

test("what another process wrote, or ended, is noticed where the number was known", async () => {
  const replicaId = await makeReplica();
  const [one, other] = [createRunRecorder({ store, now }), createRunRecorder({ store, now })];
  const runs = Array.from({ length: 5 }, () => randomUUID());
  const [first = "", second = "", third = "", fourth = "", fifth = ""] = runs;
  assert.equal(await one.record(replicaId, numbered([started(first)])), 1);
  assert.equal(await other.record(replicaId, numbered([started(second), finished(second)], 2)), 3);
  assert.equal(await one.record(replicaId, numbered([finished(second), finished(first)], 3)), 4);
  assert.equal(await one.record(replicaId, numbered([started(third)], 5)), 5);
  await endReplica(db, replicaId, { now: now(), detail: "signal SIGKILL", error: lost });
  const late = numbered([finished(third), started(fourth), started(fifth), finished(fifth)], 6);
  assert.equal(await one.record(replicaId, late), 9);
  const statuses = await Promise.all(runs.map(async (id) => (await getRun(db, "default", id))?.status));
  assert.deepEqual(statuses, ["succeeded", "succeeded", "failed", "failed", "succeeded"]);
});

test("replicas that share a commit do not touch one another's numbers", async () => {
  const recorder = createRunRecorder({ store, now });
  const ids = [await makeReplica(), await makeReplica(), await makeReplica()] as const;
  for (const id of ids) await recorder.record(id, numbered([started(randomUUID())]));
  const beat = { kind: "memory", rss_bytes: 1 } as const;
  const [two, gap] = await Promise.all([
    recorder.record(ids[0], numbered([beat, beat], 2)),
    recorder.record(ids[1], numbered([beat], 3)),
  ]);
  assert.deepEqual([two, gap], [3, 1]);
  const rows = await Promise.all(ids.map((id) => findReplica(db, id)));
  assert.deepEqual(
    rows.map((row) => row?.last_report),
    [3, 1, 1],
  );
});

test("one replica's reports do not touch another's run, and project and deployment are the replica's own", async () => {
  const [mine, other] = [await makeReplica(), await makeReplica()];
  const recorder = createRunRecorder({ store, now });
  const runId = randomUUID();
  await recorder.record(mine, numbered([{ ...started(runId), project_id: "forged" }]));
  await recorder.record(other, numbered([started(runId), finished(runId, { status: "failed" })]));
  const row = await getRun(db, "default", runId);
  assert.equal(row?.status, "running");
  assert.equal(row?.replica_id, mine);
});

test("outputs may hold U+0000, lone surrogates and any depth", async () => {
  const replicaId = await makeReplica();
  const recorder = createRunRecorder({ store, now });
  const nested = JSON.parse("[".repeat(3_000) + "]".repeat(3_000)) as unknown;
  const outputs = ["a\u0000b", "\ud800", { 'quo"te\\': "{,}" }, nested, null, 0, false];
  const ids = outputs.map(() => randomUUID());
  const bodies = ids.flatMap((id, index) => [started(id), finished(id, { output: outputs[index] })]);
  await recorder.record(replicaId, numbered(bodies));
  for (const [index, id] of ids.entries()) {
    const row = await getRun(db, "default", id);
    assert.ok(row);
    assert.equal(JSON.stringify(toRun(row).output), JSON.stringify(outputs[index]));
  }
});

test("one bad batch fails alone", async () => {
  const replicaId = await makeReplica();
  const recorder = createRunRecorder({ store, now });
  const runId = randomUUID();
  const [good, unknown, poisoned] = await Promise.allSettled([
    recorder.record(replicaId, numbered([started(runId), finished(runId)])),
    recorder.record("nobody00", numbered([started(randomUUID())])),
    recorder.record(replicaId, numbered([{ ...started(randomUUID()), key_id: "\u0000" }], 3)),
  ]);
  assert.deepEqual(good, { status: "fulfilled", value: 2 });
  assert.equal(unknown?.status, "rejected");
  assert.equal(poisoned?.status, "rejected");
});

test("a lost connection is waited out and nothing is written twice", async () => {
  const replicaId = await makeReplica();
  const recorder = createRunRecorder({ store, now });
  const killing = { on: true };
  const killer = (async () => {
    while (killing.on) {
      await store.pool
        .query(
          "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()",
        )
        .catch(() => {});
      await new Promise((resolve) => setTimeout(resolve, 40));
    }
  })();
  const ids = Array.from({ length: 60 }, () => randomUUID());
  let number = 1;
  try {
    for (const id of ids) {
      const reports = numbered([started(id), finished(id)], number);
      number += 2;
      assert.equal(await recorder.record(replicaId, reports), number - 1);
    }
  } finally {
    killing.on = false;
    await killer;
  }
  for (const id of ids) assert.equal((await getRun(db, "default", id))?.status, "succeeded");
});

test("closing commits what waits and then takes no more", async () => {
  const replicaId = await makeReplica();
  const recorder = createRunRecorder({ store, now });
  const waiting = recorder.record(replicaId, numbered([started(randomUUID())]));
  await recorder.close();
  assert.equal(await waiting, 1);
  await assert.rejects(recorder.record(replicaId, []), { code: "shutting_down" });
});

test("whatever the order and grouping of its reports, a run ends as the pure state machine says", async () => {
  const recorder = createRunRecorder({ store, now });
  const step = fc.oneof(
    fc.constant("started" as const),
    fc.constant("first_token" as const),
    fc.record({ prompt: fc.nat(9), cached: fc.nat(9), generated: fc.nat(9) }),
    fc.constantFrom("succeeded" as const, "failed" as const, "canceled" as const),
    fc.constant("replica_lost" as const),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(step, fc.boolean()), { maxLength: 10 }), async (steps) => {
      await checkAgainstMachine(recorder, steps);
    }),
    { numRuns: 60 },
  );
});

type Step = "started" | "first_token" | "succeeded" | "failed" | "canceled" | "replica_lost" | Counts;
interface Counts {
  readonly prompt: number;
  readonly cached: number;
  readonly generated: number;
}

/** The boolean of a step: send it at once, or together with what follows. */
async function checkAgainstMachine(recorder: RunRecorder, steps: readonly (readonly [Step, boolean])[]) {
  const replicaId = await makeReplica();
  const runId = randomUUID();
  let state = nextRunState(queuedRun, { kind: "started", promptTokenCount: 3 });
  let number = 1;
  let batch: Report[] = [{ number: number++, report: started(runId) }];
  const send = async () => {
    if (batch.length > 0) await recorder.record(replicaId, batch);
    batch = [];
  };
  for (const [step, sendNow] of steps) {
    const { event, report } = meaning(step, runId);
    if (event !== null) state = nextRunState(state, event);
    if (report !== null) batch.push({ number: number++, report });
    if (sendNow || step === "replica_lost") await send();
    if (step === "replica_lost") await endOpenRunsOfReplica(db, replicaId, lost, now());
  }
  await send();
  const row = (await getRun(db, "default", runId)) ?? assert.fail();
  const run = toRun(row);
  assert.deepEqual(
    { status: run.status, usage: run.usage, usageComplete: run.usage_complete },
    { status: state.status, usage: state.usage, usageComplete: state.usageComplete },
  );
}

function meaning(step: Step, runId: string): { event: RunEvent | null; report: ReportBody | null } {
  if (step === "started") return { event: { kind: "started", promptTokenCount: 3 }, report: started(runId) };
  if (step === "first_token") return { event: null, report: { kind: "first_token", run_id: runId } };
  if (step === "replica_lost") return { event: { kind: "replica_lost" }, report: null };
  if (typeof step === "object") {
    const report = progress(runId, step.prompt, step.cached, step.generated);
    return { event: { kind: "progress", usage: usageOf(step) }, report };
  }
  const report = finished(runId, { status: step });
  return { event: { kind: "finished", status: step, usage: report.usage, mayRetry: false }, report };
}

function usageOf({ prompt, cached, generated }: Counts): Usage {
  return { prompt_tokens: prompt, cached_tokens: cached, generated_tokens: generated };
}

function numbered(bodies: readonly ReportBody[], from = 1): Report[] {
  return bodies.map((report, index) => ({ number: from + index, report }));
}

function started(runId: string) {
  return {
    kind: "started",
    run_id: runId,
    project_id: "default",
    key_id: "key00001",
    dialect: "corral",
    prompt_tokens: 3,
    sequence_count: 1,
  } satisfies ReportBody;
}

function progress(runId: string, prompt: number, cached: number, generated: number) {
  return { kind: "progress", run_id: runId, ...usageOf({ prompt, cached, generated }) } satisfies ReportBody;
}

function withText(report: ReturnType<typeof progress>, at: number, text: string) {
  return { ...report, text: { at, pieces: [[0, 0, text]] } } satisfies ReportBody;
}

function finished(runId: string, changes: Partial<Extract<ReportBody, { kind: "finished" }>> = {}) {
  return {
    kind: "finished" as const,
    run_id: runId,
    status: "succeeded" as const,
    finish_reasons: ["stop" as const],
    output: "text" as unknown,
    error: null,
    usage: { prompt_tokens: 3, cached_tokens: 1, generated_tokens: 4 },
    timings_ms: { queue: 1, load: 0, prefill: 3, decode: 4, total: 9 },
    ...changes,
  };
}

async function makeDeployment() {
  const model = await getOrCreateModel(db, "default", "tiny");
  const { row: version } = await insertVersion(db, {
    projectId: "default",
    modelId: model.id,
    digest: "d",
    manifest: {},
    weightsPath: "/w",
    weightsSha256: "s",
  });
  return createDeployment(db, {
    projectId: "default",
    modelId: model.id,
    versionId: version.id,
    name: "tiny",
    identifiers: [],
    settings: {},
  });
}

async function makeReplica(): Promise<string> {
  const input = { projectId: "default", deploymentId: deployment.id, platformId: "p", address: "unix:/x" };
  return (await insertReplica(db, { id: randomId(), ...input })).id;
}

/** Transactions that wrote something get a number each. */
/** Transactions that wrote these runs last; the server has other tests' transactions as well. */
async function commitCount(runIds: readonly string[]): Promise<number> {
  const { rows } = await store.pool.query<{ count: number }>(
    "select count(distinct xmin::text) as count from runs where id = any($1)",
    [runIds],
  );
  return rows[0]?.count ?? 0;
}
