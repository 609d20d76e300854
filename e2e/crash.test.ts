// kill -9 of a replica, the platform and PostgreSQL in turn: callers in flight get a clear answer, nothing that
// was acknowledged is lost, and no process is left over.

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { json, startCorral, waitUntil, type Corral } from "./harness.ts";
import { descendants, one, platformProcess, postmaster, processes, replicaProcess } from "./processes.ts";

const route = "/models/corral-tiny-3/predict";

async function predict(corral: Corral, maxNewTokens = 8): Promise<string> {
  const body = {
    messages: [{ role: "user", content: "Hello!" }],
    max_new_tokens: maxNewTokens,
    eos_token_id: null,
  };
  const response = await corral.post(route, body);
  const answer = await json<{ model_output?: { run_id: string } }>(response);
  assert.equal(response.status, 200, JSON.stringify(answer));
  return answer.model_output?.run_id ?? "";
}

/** Calls without a pause until told to stop; keeps what was acknowledged and every other answer. */
function keepCalling(corral: Corral) {
  const acknowledged: string[] = [];
  const others: { status: number; text: string }[] = [];
  let going = true;
  const loop = async () => {
    while (going) {
      const body = {
        messages: [{ role: "user", content: "Hello!" }],
        max_new_tokens: 40,
        eos_token_id: null,
      };
      const response = await corral.post(route, body).catch(() => null);
      const text = await response?.text().catch(() => "");
      if (response?.status === 200 && text?.endsWith("}"))
        acknowledged.push(JSON.parse(text).model_output.run_id);
      else others.push({ status: response?.status ?? 0, text: text ?? "" });
    }
  };
  const loops = Array.from({ length: 6 }, loop);
  return {
    acknowledged,
    others,
    async stop() {
      going = false;
      await Promise.all(loops);
    },
    /** A story that fails in between must not go on calling. */
    [Symbol.dispose]() {
      going = false;
    },
  };
}

async function assertAllKept(corral: Corral, runIds: readonly string[]): Promise<void> {
  for (const id of runIds) {
    const run = await json<{ status: string; output: unknown }>(await corral.request(`/runs/${id}`));
    assert.equal(run.status, "succeeded", `${id}: ${JSON.stringify(run)}`);
    assert.notEqual(run.output, null);
  }
}

const soon = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

test("a replica that is killed answers its callers with 502 or 503, comes back, and loses nothing acknowledged", async () => {
  await using corral = await startCorral();
  const before = await predict(corral);
  using load = keepCalling(corral);
  await soon(400);
  const models = (await descendants(corral.process.pid ?? 0)).filter((item) =>
    replicaProcess.test(item.command),
  );
  for (const replica of models) if (!/setpriv/.test(replica.command)) process.kill(replica.pid, "SIGKILL");
  await soon(300);
  await waitUntil(
    "a new replica answers",
    20_000,
    async () =>
      (await corral.post(route, { messages: [{ role: "user", content: "Hi" }], max_new_tokens: 2 }))
        .status === 200,
  );
  await load.stop();
  for (const { status, text } of load.others) {
    assert.ok(status === 502 || status === 503, `${status}: ${text}`);
    assert.match(text, /replica|ready/i);
  }
  assert.ok(load.others.length > 0, "nobody was in flight when the replica died");
  await assertAllKept(corral, [before, ...load.acknowledged]);
  const runs = await json<{ items: { run_id: string; status: string }[] }>(
    await corral.request("/api/v1/runs?limit=500"),
  );
  assert.deepEqual(
    runs.items.filter((run) => run.status === "running" || run.status === "queued"),
    [],
  );
});

test("a killed PostgreSQL comes back by itself and no acknowledged run is lost, nor any caller answered 500", async () => {
  await using corral = await startCorral();
  using load = keepCalling(corral);
  await waitUntil("a call is acknowledged", 30_000, () => load.acknowledged.length > 0);
  await soon(100);
  process.kill((await one(corral, postmaster)).pid, "SIGKILL");
  await soon(2_500);
  await load.stop();
  await predict(corral);
  for (const { status, text } of load.others) assert.ok([502, 503].includes(status), `${status}: ${text}`);
  assert.ok(load.acknowledged.length > 0);
  await assertAllKept(corral, load.acknowledged);
});

test("a killed platform leaves no process behind, and what it had acknowledged is there after a restart", async () => {
  const home = await mkdtemp(join(tmpdir(), "corral-e2e-"));
  try {
    const first = await startCorral({ home });
    using load = keepCalling(first);
    await waitUntil("a call is acknowledged", 30_000, () => load.acknowledged.length > 0);
    await soon(100);
    const family = await descendants(first.process.pid ?? 0);
    process.kill((await one(first, platformProcess)).pid, "SIGKILL");
    first.process.kill("SIGKILL");
    await load.stop();
    await waitUntil("every process of the killed platform is gone", 15_000, async () => {
      const now = await processes();
      return family.every((was) => !now.some((item) => item.pid === was.pid && item.command === was.command));
    });
    assert.ok(load.acknowledged.length > 0);

    await using second = await startCorral({ home });
    await assertAllKept(second, load.acknowledged);
    const runs = await json<{ items: { status: string }[] }>(await second.request("/api/v1/runs?limit=500"));
    assert.deepEqual(
      runs.items.filter((run) => run.status === "running" || run.status === "queued"),
      [],
    );
    await predict(second);
  } finally {
    await rm(home, { recursive: true, force: true });
  }
});

test("SIGTERM ends everything in order: running calls are answered, the exit code is 0, no process is left", async () => {
  const corral = await startCorral();
  try {
    const family = await descendants(corral.process.pid ?? 0);
    const running = predict(corral, 200);
    await soon(150);
    assert.equal(await corral.stop(), 0);
    await running;
    const now = await processes();
    const left = family.filter((was) =>
      now.some((item) => item.pid === was.pid && item.command === was.command),
    );
    assert.deepEqual(left, []);
  } finally {
    await corral[Symbol.asyncDispose]();
  }
});
