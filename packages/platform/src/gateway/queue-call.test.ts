import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import type { Run } from "@corral/contract";
import { startTestPlatform, type TestPlatform } from "../testing/start-test-platform.ts";
import { until } from "../testing/until.ts";
import { prefersAsync } from "./queue-call.ts";

const platform = await startTestPlatform({
  queueOptions: { times: { pollMs: 50, sweepMs: 50, foreignMs: 100 } },
});
await platform.deploy("fake");
const long = { skip: process.env["CORRAL_LONG_TESTS"] === "1" ? false : "only with CORRAL_LONG_TESTS=1" };
const asks = { prefer: "respond-async" };

test("a call that is not waited for is answered with its run, which is carried out as if it were", async () => {
  for (const path of ["/api/v1/deployments/fake/generate", "/models/fake/predict", "/fake/predict"]) {
    const response = await platform.post(path, {}, asks);
    assert.equal(response.status, 202, path);
    assert.equal(response.headers.get("preference-applied"), "respond-async");
    const accepted = (await response.json()) as { run_id: string };
    assert.deepEqual(accepted, { run_id: accepted.run_id, status: "queued" });
    assert.equal(response.headers.get("location"), `/runs/${accepted.run_id}`);
    const run = await endOf(accepted.run_id);
    assert.deepEqual([run.status, run.output, run.error], ["succeeded", "done", null]);
    assert.ok((run.timings_ms?.total ?? 0) >= 2 + (run.timings_ms?.queue ?? Infinity));
  }
  assert.deepEqual(await queued(platform), []);
});

test("other preferences change nothing", () => {
  assert.equal(prefersAsync({ prefer: "wait=10, Respond-Async; x=1" }), true);
  assert.equal(prefersAsync({ prefer: "wait=10" }), false);
  assert.equal(prefersAsync({}), false);
});

test("what can never be carried out is refused at once, in the family's envelope", async () => {
  const json = await platform.post("/models/fake/predict", "{,", asks);
  assert.equal(json.status, 400);
  assert.match(((await json.json()) as { error: string }).error, /line 1, column 2/);
  const large = JSON.stringify({ echo: "x".repeat(1024 * 1024) });
  assert.equal((await platform.post("/fake/predict", large, asks)).status, 413);
  assert.equal((await platform.post("/nobody/predict", {}, asks)).status, 404);
  const key = await platform.key({ scopes: ["predict"], models: ["other"] });
  assert.equal((await platform.post("/fake/predict", {}, { ...asks, authorization: key })).status, 403);
});

test("what a replica refuses before it begins fails, with its answer", async () => {
  const run = await endOf(await call({ status: 422 }));
  assert.equal(run.status, "failed");
  assert.deepEqual(run.error, { code: "invalid_parameter", detail: "It is refused." });
  assert.deepEqual(run.output, { code: "invalid_parameter", detail: "It is refused." });
});

test("a mistake of the caller is not tried again", async () => {
  const mistaken = await endOf(await call({ fail: { code: "code_refused", times: 1 } }));
  assert.deepEqual([mistaken.status, mistaken.error?.code], ["failed", "code_refused"]);
});

test("a run whose replica is killed is carried out by the next one", async () => {
  const run = await endOf(await call({ die_unless: join(platform.home, "died") }));
  assert.deepEqual([run.status, run.output], ["succeeded", "done"]);
  assert.equal(run.usage_complete, true);
});

test("a run that is carried out is ended by its replica, one that waits at once, and both only once", async () => {
  const [running, ...waiting] = await Promise.all(Array.from({ length: 9 }, () => call({ wait_ms: 60_000 })));
  assert.ok(running);
  await until(
    "eight run",
    async () => (await statuses([running, ...waiting])).filter((one) => one === "running").length === 8,
  );
  // The ninth waits: callers who wait for an answer come first.
  assert.equal((await platform.post("/fake/predict", {})).status, 200);
  for (const id of [running, ...waiting]) {
    const answer = await platform.post(`/runs/${id}/cancel`, {});
    assert.equal(answer.status, 200);
    assert.ok(["running", "canceled"].includes(((await answer.json()) as Run).status));
  }
  for (const id of [running, ...waiting]) {
    const run = await endOf(id);
    assert.deepEqual([run.status, run.error?.code], ["canceled", "aborted"]);
  }
  const again = await platform.post(`/api/v1/runs/${running}/cancel`, {});
  assert.deepEqual([again.status, ((await again.json()) as Run).status], [200, "canceled"]);
  const own = await platform.key({ scopes: ["predict"] });
  assert.equal((await platform.post(`/runs/${running}/cancel`, {}, { authorization: own })).status, 404);
});

test("a call whose caller waits can be ended as well", async () => {
  const answer = platform.post("/fake/predict", { wait_ms: 60_000 });
  const isOpen = async () => (await runs("running")).length === 1;
  await until("it runs", isOpen);
  await platform.post(`/runs/${(await runs("running"))[0]?.run_id}/cancel`, {});
  assert.equal((await answer).status, 499);
});

test(
  "a run of a deployment that is deleted, or of a key that is revoked, fails and says so",
  long,
  async () => {
    await platform.deploy("short-lived");
    const key = await platform.key({ scopes: ["predict"] });
    const blockers = await Promise.all(Array.from({ length: 8 }, () => call({ wait_ms: 60_000 })));
    await until("all run", async () => (await statuses(blockers)).every((one) => one === "running"));
    const revoked = await call({}, "fake", { authorization: key });
    await platform.store.pool.query("update api_keys set revoked_at = now() where scopes = '{predict}'");
    for (const id of blockers) await platform.post(`/runs/${id}/cancel`, {});
    assert.deepEqual((await endOf(revoked)).error?.code, "unauthenticated");

    const held = await Promise.all(Array.from({ length: 9 }, () => call({ wait_ms: 60_000 }, "short-lived")));
    await until(
      "eight run",
      async () => (await statuses(held)).filter((one) => one === "running").length === 8,
    );
    assert.equal(
      (await platform.request("/api/v1/deployments/short-lived", { method: "DELETE" })).status,
      204,
    );
    const ends = await Promise.all(held.map((id) => endOf(id)));
    assert.ok(ends.every(({ status, error }) => status === "failed" && error !== null));
    assert.ok(ends.some(({ error }) => error?.code === "deployment_not_found"));
  },
);

test(
  "runs survive their process: what it had goes on in the one that runs the deployment then",
  long,
  async () => {
    const first = await startTestPlatform();
    await first.deploy("moving");
    const second = await startTestPlatform({ beside: first });
    await second.reconciler.wake();
    const response = await first.post(
      "/moving/predict",
      { die_unless: join(first.home, "moved"), wait_ms: 1 },
      asks,
    );
    const { run_id: id } = (await response.json()) as { run_id: string };
    const stopped = first.stop();
    const run = await endOf(id, second);
    await stopped;
    assert.deepEqual([run.status, run.output], ["succeeded", "done"]);
    await second[Symbol.asyncDispose]();
    await first[Symbol.asyncDispose]();
  },
);

// The last test: the database of `store/testing.ts` ends before any hook of this file.
test("closing lets nothing of the queue go on", async () => {
  await platform[Symbol.asyncDispose]();
});

async function call(body: unknown, name = "fake", headers: Record<string, string> = {}): Promise<string> {
  const response = await platform.post(`/${name}/predict`, body, { ...asks, ...headers });
  assert.equal(response.status, 202);
  return ((await response.json()) as { run_id: string }).run_id;
}

async function read(id: string, at: TestPlatform = platform): Promise<Run> {
  return (await (await at.request(`/runs/${id}`)).json()) as Run;
}

async function endOf(id: string, at: TestPlatform = platform): Promise<Run> {
  await until(`${id} ends`, async () => !["queued", "running"].includes((await read(id, at)).status));
  return read(id, at);
}

async function statuses(ids: readonly string[]): Promise<string[]> {
  return Promise.all(ids.map(async (id) => (await read(id)).status));
}

async function runs(status: string): Promise<Run[]> {
  const response = await platform.request(`/api/v1/runs?status=${status}`);
  return ((await response.json()) as { items: Run[] }).items;
}

async function queued({ store }: TestPlatform): Promise<unknown[]> {
  return store.db.selectFrom("queue").selectAll().execute();
}
