import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { startTestCode } from "../testing/code-worker.ts";
import { afterCheck, healthy, type HealthState, type HealthThresholds } from "./health.ts";

const thresholds: HealthThresholds = { delayMs: 0, stopTrafficMs: 20, restartMs: 50 };

function run(checks: readonly (readonly [nowMs: number, isHealthy: boolean])[], given = thresholds) {
  let state: HealthState = healthy;
  return checks.map(([nowMs, isHealthy]) => {
    const next = afterCheck(state, { nowMs, isHealthy }, given);
    state = next.state;
    return next.action;
  });
}

test("calls stop once after their threshold, come back with the first good check, and a restart comes last", () => {
  assert.deepEqual(
    run([
      [0, true],
      [10, false],
      [20, false],
      [30, false],
      [40, false],
      [50, true],
      [60, false],
      [110, false],
      [120, false],
    ]),
    ["none", "none", "none", "stop_traffic", "none", "resume_traffic", "none", "restart", "none"],
  );
  assert.deepEqual(
    run(
      [
        [0, false],
        [1e9, false],
      ],
      { ...thresholds, stopTrafficMs: null, restartMs: null },
    ),
    ["none", "none"],
  );
});

test("nothing happens before a threshold of failures without a break, whatever the checks say", () => {
  const check = fc.tuple(fc.integer({ min: 1, max: 30 }), fc.boolean());
  fc.assert(
    fc.property(fc.array(check, { maxLength: 60 }), (steps) => {
      let nowMs = 0;
      let state: HealthState = healthy;
      let failingSinceMs: number | null = null;
      let isStopped = false;
      for (const [passedMs, isHealthy] of steps) {
        nowMs += passedMs;
        failingSinceMs = isHealthy ? null : (failingSinceMs ?? nowMs);
        const failedMs: number = failingSinceMs === null ? -1 : nowMs - failingSinceMs;
        const next = afterCheck(state, { nowMs, isHealthy }, thresholds);
        state = next.state;
        assert.equal(next.action === "restart", failedMs >= 50);
        if (next.action === "stop_traffic") assert.ok(!isStopped && failedMs >= 20);
        if (next.action === "resume_traffic") assert.ok(isStopped && isHealthy);
        isStopped = next.action === "restart" ? false : failedMs >= 20;
        assert.equal(state.isStopped, isStopped);
        if (next.action === "restart") failingSinceMs = null;
      }
    }),
  );
});

const text = `
let isWell = true;
export const isHealthy = () => isWell;
export function predict({ well }: { well?: boolean }) { isWell = well ?? isWell; return process.pid; }`;

test("code that says it is not healthy gets no calls, and another process after its threshold", async () => {
  await using code = await startTestCode({
    files: { "model/model.ts": text },
    health: { delayMs: 0, checkMs: 500, stopTrafficMs: 0, restartMs: 1_500 },
  });
  const first = (await code.call({})).text;
  assert.equal((await code.call({ well: false })).text, first);
  const refusals: unknown[] = [];
  for (;;) {
    try {
      const { text: pid, failure } = await code.call({});
      if (pid !== first && failure === null) break;
    } catch (error) {
      refusals.push((error as { code?: string }).code);
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assert.ok(refusals.length > 0);
  assert.ok(refusals.every((code_) => code_ === "code_unhealthy"));
  assert.equal(code.worker.restartCount, 1);
  assert.ok(code.logLines.some(({ message }) => String(message).includes("not healthy")));
});

test("a check that is never answered counts as failed, and costs no call that runs meanwhile its answer", async () => {
  await using code = await startTestCode({
    files: {
      "model/model.ts": `export const isHealthy = () => new Promise(() => {}); export const predict = () => "works";`,
    },
    health: { delayMs: 0, checkMs: 30, stopTrafficMs: null, restartMs: 400 },
  });
  const began = performance.now();
  while (code.worker.restartCount === 0) {
    assert.equal((await code.call({})).failure?.reason ?? "lost", "lost");
    assert.ok(performance.now() - began < 20_000);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
});
