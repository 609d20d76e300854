import assert from "node:assert/strict";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { makeCall } from "./testing/platform-side.ts";
import { fakeEntry, mainEntry, startReplicaProcess } from "./testing/replica-process.ts";
import { createTestPlace, testConfig } from "./testing/test-config.ts";

const body = { prompt: "Hi", max_new_tokens: 30 };

test("SIGTERM drains: what runs is answered, and the exit code is 0", async (context) => {
  const place = createTestPlace();
  context.after(() => place.remove());
  const process = startReplicaProcess(fakeEntry, place.directory, testConfig(place.socketPath), {
    args: ["--decode-ms", "5"],
  });
  const platform = await process.dial();
  await platform.until("ready");
  const answer = makeCall(place.socketPath, { body });
  await platform.until("first_token");
  process.child.kill("SIGTERM");
  assert.equal((await answer).status, 200);
  const end = await process.ended;
  assert.deepEqual([end.code, end.error], [0, null]);
  assert.equal(existsSync(place.socketPath), false);
});

test("a replica whose platform is gone ends within its grace with exit code 1", async (context) => {
  const place = createTestPlace();
  context.after(() => place.remove());
  const process = startReplicaProcess(fakeEntry, place.directory, testConfig(place.socketPath));
  const platform = await process.dial();
  await platform.until("ready");
  const startedAt = performance.now();
  platform.close();
  const end = await process.ended;
  assert.deepEqual([end.code, end.error?.code], [1, "shutting_down"]);
  const tookMs = performance.now() - startedAt;
  assert.ok(tookMs > 1_900 && tookMs < 20_000, `${tookMs} ms`);
});

test("a mistake at the start is one line of JSON on stderr and exit code 1", async (context) => {
  const place = createTestPlace();
  context.after(() => place.remove());
  const config = testConfig(place.socketPath);
  const weights = join(place.directory, "other.gguf");
  writeFileSync(weights, "GGUF, but not the one that was pushed");
  const cases = [
    [config, {}, "weights_missing", /nowhere\.gguf/],
    [{ ...config, weights: { ...config.weights, path: weights } }, {}, "weights_changed", /sha256/],
    [{ ...config, limits: { ...config.limits, slot_count: 0 } }, {}, "internal", /limits\.slot_count/],
    [config, { UV_THREADPOOL_SIZE: "4" }, "internal", /UV_THREADPOOL_SIZE is 4/],
  ] as const;
  for (const [changed, env, code, detail] of cases) {
    const end = await startReplicaProcess(mainEntry, place.directory, changed, { env }).ended;
    assert.deepEqual([end.code, end.error?.code], [1, code], end.stderr);
    assert.match(end.error!.detail, detail);
  }
});

test("nothing of a call waits for the pool thread that computes: the event loop answers while a step runs", async (context) => {
  const place = createTestPlace();
  context.after(() => place.remove());
  const process = startReplicaProcess(fakeEntry, place.directory, testConfig(place.socketPath), {
    args: ["--decode-ms", "800"],
  });
  context.after(() => process.child.kill("SIGKILL"));
  const platform = await process.dial();
  await platform.until("ready");
  // Steps follow each other without a pause, so the only pool thread is never free.
  const busy = makeCall(place.socketPath, { body: { prompt: "Hi", max_new_tokens: 6 } });
  await platform.until("first_token");
  const refusedMs: number[] = [];
  for (let round = 0; round < 12; round += 1) {
    const startedAt = performance.now();
    const refused = await makeCall(place.socketPath, {
      dialect: "baseten",
      body: { messages: [{ role: "user", content: "Hi" }], top_q: 1 },
    });
    refusedMs.push(performance.now() - startedAt);
    assert.equal(refused.status, 422);
    await sleep(20);
  }
  assert.equal((await busy).status, 200);
  // Each round parses, renders, tokenizes and answers. One that waited for a step would take nearly 800 ms, and the
  // five steps that are left hold up five rounds; a single slow one may be the machine's.
  const sorted = refusedMs.toSorted((a, b) => b - a);
  assert.ok(sorted[1]! < 500, `${sorted.map(Math.round).join()} ms`);
});
