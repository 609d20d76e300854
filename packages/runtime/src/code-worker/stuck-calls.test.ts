// Calls that go on after their time: each costs its own place, and nobody who shares the process.

import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { test } from "node:test";
import { startTestCode } from "../testing/code-worker.ts";

const model = `
  export async function predict({ ms }: { ms: number }) {
    await new Promise((resolve) => setTimeout(resolve, ms));
    return process.pid;
  }`;

test("a call that ignores its end costs no neighbour while there is a place", async () => {
  await using code = await startTestCode({
    files: { "model/model.ts": model },
    start: { predict_concurrency: 3 },
    cancelGraceMs: 100,
  });
  const neighbour = code.call({ ms: 900 });
  const stuck = await code.call({ ms: 60_000 }, { timeoutMs: 100 });
  assert.equal(stuck.failure?.reason, "timeout");
  await sleep(300);
  const next = await code.call({ ms: 0 });
  assert.equal((await neighbour).text, next.text, "one process answers both");
  assert.equal(code.worker.restartCount, 0);
});

test("where stuck calls take every place another process takes over, and neighbours end where they are", async () => {
  await using code = await startTestCode({
    files: {
      "model/model.ts": `${model}
        export async function completions() { await new Promise((r) => setTimeout(r, 1500)); return process.pid; }`,
    },
    start: { predict_concurrency: 1 },
    cancelGraceMs: 100,
  });
  const neighbour = code.call({}, { method: "completions" });
  const { text: first } = await code.call({ ms: 0 });
  await code.call({ ms: 60_000 }, { timeoutMs: 100 });
  const waiting = await code.call({ ms: 0 });
  assert.equal(waiting.failure, null);
  assert.notEqual(waiting.text, first, "a call that waited for the place went to the new process");
  const old = await neighbour;
  assert.deepEqual([old.failure, old.text], [null, first]);
  assert.equal(code.worker.restartCount, 0);
  while (code.worker.callCount > 0) await sleep(20);
});

const hangs = `${model}
  export const completions = () => new Promise(() => {});`;

test("a call without a time that is canceled and never ends keeps no process that another took over from", async () => {
  await using code = await startTestCode({
    files: { "model/model.ts": hangs },
    start: { predict_concurrency: 1 },
    cancelGraceMs: 100,
  });
  const { text: first } = await code.call({ ms: 0 });
  code.open({}, { method: "completions", timeoutMs: null }).running.cancel();
  await code.call({ ms: 60_000 }, { timeoutMs: 100 });
  assert.notEqual((await code.call({ ms: 0 })).text, first);
  for (const until = Date.now() + 5_000; code.worker.callCount > 0; await sleep(20))
    assert.ok(Date.now() < until, "the old process goes on");
});

test("what hangs and is no predict takes none of its places", async () => {
  await using code = await startTestCode({
    files: { "model/model.ts": hangs },
    start: { predict_concurrency: 1 },
    cancelGraceMs: 100,
  });
  assert.equal((await code.call({}, { method: "completions", timeoutMs: 100 })).failure?.reason, "timeout");
  await sleep(300);
  assert.equal((await code.call({ ms: 0 })).failure, null);
  const lines = code.logLines.map(({ message }) => String(message));
  assert.ok(
    lines.some((line) => line.includes("that nobody wants")),
    "it is stuck",
  );
  assert.ok(!lines.some((line) => line.includes("another one is started")));
});
