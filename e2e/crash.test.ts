// kill -9 of every kind of process: callers in flight get a clear answer, nothing that was acknowledged is lost, and no
// process is left over.

import assert from "node:assert/strict";
import { test } from "node:test";
import { runCrashLoop } from "./crash-loop/crash-loop.ts";
import { victims } from "./crash-loop/victims.ts";
import { json, startCorral, waitUntil, type Corral } from "./harness.ts";
import { descendants, processes, replicaProcess } from "./processes.ts";

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

// Each kind of process once; the long form: npm run crash-loop -- --rounds 200
test("whatever is killed at whatever moment, what was acknowledged ends once, arrives and is counted", async (context) => {
  const { findings, killed, acknowledged, deliveries } = await runCrashLoop({
    rounds: 10,
    seed: 18,
    log: (line) => context.diagnostic(line),
  });
  assert.deepEqual(findings, []);
  for (const victim of victims) assert.ok(killed[victim] > 0, `no ${victim} was killed`);
  assert.ok(Object.keys(acknowledged).length >= 7, JSON.stringify(acknowledged));
  assert.ok(deliveries > 0);
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
