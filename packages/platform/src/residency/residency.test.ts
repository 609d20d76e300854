// Real processes of the fake replica under a cap: what is loaded when, and what callers meet meanwhile.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { findDeploymentById } from "../store/deployments.ts";
import { listAliveReplicas } from "../store/replicas.ts";
import { getRun } from "../store/runs.ts";
import {
  startTestPlatform,
  type TestPlatform,
  type TestPlatformOptions,
} from "../testing/start-test-platform.ts";
import { until } from "../testing/until.ts";
import { unreadProcessBytes } from "./memory-needs.ts";

/** Room for one fake replica. */
const roomForOne = { capBytes: 1.5 * unreadProcessBytes };

const statusOf = async (platform: TestPlatform, id: string) =>
  (await findDeploymentById(platform.store.db, "default", id))?.status;

/** Two deployments of which one fits; the second is loaded. */
async function startPair(options: TestPlatformOptions = {}, defaults: Record<string, unknown> = {}) {
  const platform = await startTestPlatform({
    ...options,
    residencyOptions: { ...roomForOne, ...options.residencyOptions },
  });
  const first = await platform.deploy("first", defaults);
  const second = await platform.deploy("second", defaults);
  await until("the first is idle", async () => (await statusOf(platform, first.id)) === "idle");
  return { platform, first, second };
}

test("a call loads a model that is not in memory in place of another, and its run says how long it waited", async () => {
  const { platform, first, second } = await startPair();
  await using _closing = platform;
  const response = await platform.post("/first/predict", {});
  assert.equal(response.status, 200);
  await response.text();
  const run = await getRun(platform.store.db, "default", response.headers.get("x-corral-run-id") ?? "");
  assert.ok((run?.timings_ms?.load ?? 0) > 0, JSON.stringify(run));
  assert.equal(await statusOf(platform, first.id), "active");
  await until("the second is idle", async () => (await statusOf(platform, second.id)) === "idle");
  const alive = await listAliveReplicas(platform.store.db);
  assert.deepEqual(
    alive.map(({ deployment_id: id }) => id),
    [first.id],
  );
  const { loadCount, unloadCount } = platform.residency.sample(first.id);
  assert.deepEqual({ loadCount, unloadCount }, { loadCount: 2, unloadCount: 1 });
  const again = await platform.post("/first/predict", {});
  const seen = JSON.parse(again.headers.get("x-seen") ?? "{}") as Record<string, string>;
  assert.ok(!("x-corral-load-ms" in seen), "a call that did not wait says nothing of it");
});

test("a deployment that is idle counts as ready, keeps its model's name, and answers after a restart", async () => {
  const { platform, first } = await startPair();
  await using _closing = platform;
  assert.equal((await findDeploymentById(platform.store.db, "default", first.id))?.production, true);
  await platform.stop();
  await using next = await startTestPlatform({ beside: platform, residencyOptions: roomForOne });
  await next.reconciler.wake();
  await sleep(200);
  assert.equal(await statusOf(next, first.id), "idle");
  const response = await next.request("/models/first/predict", {
    method: "POST",
    body: "{}",
    headers: { "content-type": "application/json", authorization: `Api-Key ${next.adminKey}` },
  });
  assert.equal(response.status, 200);
});

test("a stream of events that waits gets comments, then what the replica sends; its refusal comes as an event", async () => {
  const { platform } = await startPair({}, { load_ms: 500 });
  await using _closing = platform;
  const path = "/api/v1/deployments/first/generate";
  const [streamed, refused] = await Promise.all(
    [
      { stream: true, pause_ms: 1 },
      { stream: true, status: 422 },
    ].map((body) => platform.post(path, body)),
  );
  assert.equal(streamed?.headers.get("content-type"), "text/event-stream; charset=utf-8");
  assert.ok(streamed?.headers.get("x-corral-run-id"));
  assert.match((await streamed?.text()) ?? "", /^(: ping\n\n)+first last$/);
  assert.match(
    (await refused?.text()) ?? "",
    /^(: ping\n\n)+event: error\ndata: \{"error":\{"code":"invalid_parameter","detail":"It is refused\."\}\}\n\n$/,
  );
});

test("a call that is no stream waits for a bounded time, is told when to come back, and its model is loaded by then", async () => {
  const { platform, first } = await startPair({ waitMs: 100 }, { load_ms: 800 });
  await using _closing = platform;
  const response = await platform.post("/model_versions/first/predict".replace("first", first.id), {});
  assert.equal(response.status, 503);
  const body = (await response.json()) as { code: string; error: string };
  assert.equal(body.code, "model_loading");
  const seconds = Number(response.headers.get("retry-after"));
  assert.ok(seconds >= 1 && seconds <= 5, String(seconds));
  assert.match(body.error, new RegExp(`first is being loaded.*${seconds} seconds`));
  await until("it is loaded", async () => (await statusOf(platform, first.id)) === "active");
  assert.equal((await platform.post("/first/predict", {})).status, 200);
});

test("who leaves while waiting is forgotten, and what only they wanted is not loaded", async () => {
  const { platform, first, second } = await startPair({ residencyOptions: { starvationMs: 60_000 } });
  await using _closing = platform;
  const busy = await platform.post("/second/predict", { stream: true, pause_ms: 800 });
  const leaving = new AbortController();
  const gone = platform
    .request("/first/predict", { method: "POST", signal: leaving.signal })
    .catch(() => null);
  const waiting = () => platform.residency.sample(first.id).waitingCount;
  await until("it waits", () => waiting() === 1);
  leaving.abort();
  await gone;
  await until("nobody waits", () => waiting() === 0);
  assert.equal(await busy.text(), "first last");
  await sleep(300);
  assert.equal(await statusOf(platform, second.id), "active");
  assert.equal(platform.residency.sample(first.id).loadCount, 1);
});

test("who waits long enough gets the room of a busy model, whose calls finish and whose new ones wait their turn", async () => {
  const { platform, first, second } = await startPair({ residencyOptions: { starvationMs: 300 } });
  await using _closing = platform;
  const answers: Promise<string>[] = [];
  let going = true;
  const keepBusy = (async () => {
    while (going) {
      const response = await platform.post("/second/predict", { stream: true, pause_ms: 150 });
      assert.equal(response.status, 200);
      answers.push(response.text());
      await sleep(50);
    }
  })();
  await until("it is busy", () => answers.length > 2);
  const startedAt = performance.now();
  assert.equal((await platform.post("/first/predict", {})).status, 200);
  assert.ok(performance.now() - startedAt >= 290);
  going = false;
  await keepBusy;
  for (const text of await Promise.all(answers)) assert.equal(text, "first last");
  assert.ok(platform.residency.sample(second.id).unloadCount >= 1);
  assert.equal(platform.residency.sample(first.id).loadCount, 2);
});

test("callers of a replica that is killed while it loads are answered by the next one", async () => {
  const { platform, first } = await startPair({}, { load_ms: 400 });
  await using _closing = platform;
  const answer = platform.post("/first/predict", {});
  let pid: number | null = null;
  await until("its process runs", async () => {
    pid = (await listAliveReplicas(platform.store.db, { deploymentId: first.id }))[0]?.pid ?? null;
    return pid !== null;
  });
  process.kill(pid!, "SIGKILL");
  assert.equal((await answer).status, 200);
});

test("callers who wait for a deployment that is deleted are told so", async () => {
  const { platform, first } = await startPair({ residencyOptions: { starvationMs: 60_000 } });
  await using _closing = platform;
  const busy = await platform.post("/second/predict", { stream: true, pause_ms: 800 });
  const waiting = platform.post("/api/v1/deployments/first/generate", {});
  await until("it waits", () => platform.residency.sample(first.id).waitingCount === 1);
  await platform.request("/api/v1/deployments/first", { method: "DELETE" });
  const response = await waiting;
  assert.equal(response.status, 404);
  assert.match(
    ((await response.json()) as { detail: string }).detail,
    /first was deleted while the call waited/,
  );
  await busy.text();
});

test("a model that is deleted keeps its room until its process has ended", async () => {
  const { platform } = await startPair({ residencyOptions: { starvationMs: 60_000 } });
  await using _closing = platform;
  const busy = await platform.post("/second/predict", { stream: true, pause_ms: 800 });
  await platform.request("/api/v1/deployments/second", { method: "DELETE" });
  let answered = false;
  const answer = platform.post("/first/predict", {}).finally(() => (answered = true));
  let most = 0;
  while (!answered) {
    most = Math.max(most, (await listAliveReplicas(platform.store.db)).length);
    await sleep(20);
  }
  assert.equal((await answer).status, 200);
  assert.equal(most, 1);
  assert.equal(await busy.text(), "first last");
});

test("an unused model gives its memory back after its idle seconds, and the next call loads it again", async () => {
  await using platform = await startTestPlatform();
  const row = await platform.deploy("brief", {}, true, { idle_seconds: 0.3 });
  const staying = await platform.deploy("staying");
  await until("it is idle", async () => (await statusOf(platform, row.id)) === "idle");
  assert.equal(platform.residency.sample(row.id).bookedBytes, 0);
  assert.equal((await platform.post("/brief/predict", {})).status, 200);
  assert.equal(platform.residency.sample(staying.id).unloadCount, 0);
  const again = await platform.post("/api/v1/deployments", {
    version_id: staying.version_id,
    idle_seconds: 1,
  });
  assert.equal(again.status, 200);
  await until("the other is idle as well", async () => (await statusOf(platform, staying.id)) === "idle");
});

test("a model that is larger than the room for all is refused with both sizes and the setting", async () => {
  await using platform = await startTestPlatform({ residencyOptions: { capBytes: 1_000_000 } });
  const row = await platform.deploy("large", {}, false);
  await until("it has failed", async () => (await statusOf(platform, row.id)) === "failed");
  const response = await platform.post("/large/predict", {});
  assert.equal(response.status, 503);
  assert.match(await response.text(), /model_too_large.*1000000.*CORRAL_MEMORY_BYTES/);
});

test("a call at a platform process that does not run the model loads it where it is run", async () => {
  const { platform, first } = await startPair();
  await using _closing = platform;
  await using other = await startTestPlatform({ beside: platform });
  await other.reconciler.wake();
  assert.equal(other.reconciler.replicasOf(first.id), null);
  const response = await other.post("/first/predict", {});
  assert.equal(response.status, 200);
  await response.text();
  assert.equal(platform.residency.sample(first.id).loadCount, 2);
});

test("a call that another platform process sent keeps its model as one's own do", async () => {
  const { platform, first, second } = await startPair({ residencyOptions: { starvationMs: 60_000 } });
  await using _closing = platform;
  await using other = await startTestPlatform({ beside: platform });
  const streamed = await other.post("/second/predict", { stream: true, pause_ms: 1_000 });
  const runId = streamed.headers.get("x-corral-run-id") ?? "";
  await until("its begin is told", async () => (await getRun(platform.store.db, "default", runId)) !== null);
  const answer = platform.post("/first/predict", {});
  await until("the other waits", async () => platform.residency.sample(first.id).waitingCount === 1);
  await sleep(100);
  assert.equal(platform.reconciler.replicasOf(second.id)?.[0]?.status, "ready");
  assert.equal(await streamed.text(), "first last");
  assert.equal((await answer).status, 200);
});
