import assert from "node:assert/strict";
import { createHash, randomUUID } from "node:crypto";
import { before, test } from "node:test";
import { readKey, settleKey } from "../store/idempotency.ts";
import { until } from "../testing/until.ts";
import { answerOnce } from "./answer-once.ts";
import { startTestPlatform, type TestPlatform } from "../testing/start-test-platform.ts";

let platform: TestPlatform;
before(async () => {
  platform = await startTestPlatform({ waitMs: 600 });
  await platform.deploy("once");
});

const path = "/api/v1/deployments/once/generate";

test("the same call with the same key is carried out once and answered alike, streams too", async () => {
  for (const body of [{ prompt: "a" }, { prompt: "a", stream: true, pause_ms: 1 }]) {
    const key = randomUUID();
    const [first, again] = [await send(key, body), await send(key, body)];
    assert.deepEqual([first.status, first.replayed], [200, null]);
    assert.deepEqual(again, { ...first, replayed: "true" });
  }
});

test("a call that comes while the first is carried out waits for its answer", async () => {
  const key = randomUUID();
  const both = await Promise.all([send(key, { pause_ms: 300 }), send(key, { pause_ms: 300 })]);
  assert.equal(both[0].runId, both[1].runId);
  assert.equal(both[0].text, both[1].text);
  assert.deepEqual(new Set(both.map(({ replayed }) => replayed)), new Set([null, "true"]));
});

test("a call that waits too long is told to come back", async () => {
  const key = randomUUID();
  const first = send(key, { pause_ms: 1_300 });
  await new Promise((resolve) => setTimeout(resolve, 200));
  const refused = await post(key, { pause_ms: 1_300 });
  assert.equal(refused.status, 409);
  assert.equal(refused.headers.get("retry-after"), "5");
  assert.match(await refused.text(), /idempotency_key_in_use/);
  await first;
});

test("a key stands for one call of one caller", async () => {
  const key = randomUUID();
  const first = await send(key, { prompt: "a" });
  const other = await post(key, { prompt: "b" });
  assert.equal(other.status, 422);
  assert.match(await other.text(), /idempotency_key_reused/);
  const stranger = await platform.key({ scopes: ["predict"] });
  const theirs = await send(key, { prompt: "b" }, { authorization: `Bearer ${stranger}` });
  assert.equal(theirs.status, 200);
  assert.notEqual(theirs.runId, first.runId);
});

test("what a platform that was killed had begun is taken over; what it had answered is answered again", async () => {
  const key = randomUUID();
  const row = await hold(key, { prompt: "left" }, -1_000);
  const taken = await send(key, { prompt: "left" });
  assert.deepEqual([taken.status, taken.replayed], [200, null]);
  assert.notEqual(taken.runId, row.run_id);
  assert.equal((await send(key, { prompt: "left" })).runId, taken.runId);
});

test("who waits for a run that somebody cancels is told so, and the next call is carried out", async () => {
  const { db } = platform.store;
  const [key, body] = [randomUUID(), { prompt: "canceled" }];
  const row = await hold(key, body, 60_000);
  const deployment = await db.selectFrom("deployments").select("id").executeTakeFirstOrThrow();
  await platform.store.pool.query(
    `insert into runs (id, project_id, deployment_id, dialect, status)
      values ($1, 'default', $2, 'corral', 'running')`,
    [row.run_id, deployment.id],
  );
  const waiting = post(key, body);
  await new Promise((resolve) => setTimeout(resolve, 250));
  await platform.store.pool.query(
    "update runs set status = 'canceled', cancel_requested_at = now(), finished_at = now() where id = $1",
    [row.run_id],
  );
  const place = { projectId: row.project_id, keyId: row.key_id, key };
  await settleKey(platform.store, place, row.run_id);
  const told = await waiting;
  assert.match(await told.text(), /"aborted"/);
  const next = await send(key, body);
  assert.deepEqual([next.status, next.replayed], [200, null]);
});

test("a call that goes on without its caller keeps its key, though its run is not written down yet", async () => {
  const leaves = async (headers: Record<string, string>) => {
    const key = randomUUID();
    const calls = { store: platform.store, platformId: "another", waitMs: 0 };
    const forward = () => Promise.resolve();
    const once = { calls, newRunId: randomUUID, forward, accepted: () => assert.fail() };
    const principal = { projectId: "default", keyId: await keyId() };
    const request = { headers, raw: { method: "POST", url: path }, principal };
    const reply = { raw: { destroyed: true, writableFinished: false } };
    const call = {
      dialect: "corral",
      path,
      target: { modelId: await modelId(), storesRuns: true },
      body: Buffer.from("{}"),
    };
    await answerOnce(once, request as never, reply as never, call as never, key);
    return (await readKey(platform.store, { ...principal, key })) !== null;
  };
  assert.equal(await leaves({ "x-corral-on-disconnect": "continue" }), true);
  assert.equal(await leaves({}), false);
});

test("a call that is not waited for has one run, too", async () => {
  const key = randomUUID();
  const prefer = { prefer: "respond-async" };
  const first = await send(key, { prompt: "later" }, prefer);
  const again = await send(key, { prompt: "later" }, prefer);
  assert.deepEqual([first.status, again.status], [202, 202]);
  assert.deepEqual([again.runId, again.text, again.replayed], [first.runId, first.text, "true"]);
  const other = await post(key, { prompt: "another" }, prefer);
  assert.equal(other.status, 422);
  assert.match(await other.text(), /idempotency_key_reused/);
  const ended = async () =>
    (await (await platform.request(`/runs/${first.runId}`)).json()) as { status: string };
  await until("it was carried out", async () => (await ended()).status === "succeeded");
  const late = await send(key, { prompt: "later" }, prefer);
  assert.deepEqual([late.status, late.runId, late.replayed], [202, first.runId, "true"]);
});

test("a key that nothing can be kept for, or that is none, is refused", async () => {
  assert.equal((await post(randomUUID(), {}, { "x-corral-store": "false" })).status, 422);
  assert.equal((await post("k".repeat(256), {})).status, 422);
});

test("a call that was refused leaves its key free, and so does a run that failed", async () => {
  const key = randomUUID();
  assert.equal((await post(key, { status: 422 })).status, 422);
  assert.equal((await send(key, { prompt: "now it is right" })).status, 200);
  const lost = randomUUID();
  assert.equal((await post(lost, { die: "before" })).status, 502);
  // Its replica is started again.
  const again = { prompt: "another body, as nothing has succeeded" };
  await until("it is carried out", async () => (await send(lost, again)).status === 200);
});

// The last test: the database of `store/testing.ts` ends before any hook of this file.
test("the platform ends", async () => {
  await platform[Symbol.asyncDispose]();
});

/** As another process that carries the call out, or did. */
async function hold(key: string, body: unknown, leaseMs: number) {
  const asked = JSON.stringify(["POST", path, await modelId(), "application/json", false]);
  const row = {
    project_id: "default",
    key_id: await keyId(),
    key,
    digest: createHash("sha256").update(asked).update(JSON.stringify(body)).digest(),
    run_id: randomUUID(),
    platform_id: "another",
    leased_until: new Date(Date.now() + leaseMs),
    expires_at: new Date(Date.now() + 60_000),
  };
  await platform.store.db.insertInto("idempotency_keys").values(row).execute();
  return row;
}

function post(key: string, body: unknown, headers: Record<string, string> = {}): Promise<Response> {
  return platform.post(path, body, { "idempotency-key": key, ...headers });
}

async function send(key: string, body: unknown, headers: Record<string, string> = {}) {
  const response = await post(key, body, headers);
  return {
    status: response.status,
    runId: response.headers.get("x-corral-run-id"),
    replayed: response.headers.get("idempotent-replayed"),
    type: response.headers.get("content-type"),
    text: await response.text(),
  };
}

async function modelId(): Promise<string> {
  return (await platform.store.db.selectFrom("models").select("id").executeTakeFirstOrThrow()).id;
}

async function keyId(): Promise<string> {
  const hash = createHash("sha256").update(platform.adminKey).digest();
  const query = platform.store.db.selectFrom("api_keys").select("id").where("hash", "=", hash);
  return (await query.executeTakeFirstOrThrow()).id;
}
