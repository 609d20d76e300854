import assert from "node:assert/strict";
import { test } from "node:test";
import {
  capacityOf,
  longestStepMs,
  memoryGrowth,
  promiseRatios,
  type Arrival,
  type ArrivalsResult,
} from "./arrivals.ts";
import type { CallRecord } from "./call.ts";

const arrival = (changes: Partial<Arrival>): Arrival => ({
  sentMs: 0,
  patience: "follows",
  promisedMs: 1_000,
  attemptCount: 2,
  admittedMs: 1_000,
  firstTokenMs: 1,
  endMs: 2,
  longestGapMs: 1,
  ...changes,
});
const result = (...arrivals: Arrival[]): ArrivalsResult => ({
  perSecond: 1,
  durationMs: 10_000,
  clientCpuMs: 0,
  unsentCount: 0,
  arrivals,
  failures: [],
  memory: [],
  steps: [],
});

test("a promise is compared with the wait until a call was let in, too early or too late", () => {
  const late = arrival({ admittedMs: 2_000 });
  const early = arrival({ patience: "probes", admittedMs: 500 });
  assert.deepEqual(promiseRatios(result(late, early)), [0.5, 2]);
  assert.deepEqual(promiseRatios(result(late, early), "probes"), [2]);
});

test("a call that was never let in waited until the end, and one that gave up tells nothing", () => {
  const never = arrival({ sentMs: 5_000, admittedMs: null });
  const gaveUp = arrival({ patience: "once", admittedMs: null });
  const atOnce = arrival({ promisedMs: null });
  assert.deepEqual(promiseRatios(result(never, gaveUp, atOnce)), [0.2]);
});

test("a promise beyond the end of the run is not judged", () => {
  assert.deepEqual(promiseRatios(result(arrival({ sentMs: 9_000, admittedMs: null }))), []);
});

test("capacity is what was answered after the first third", () => {
  const call = (endMs: number | null): CallRecord => ({
    caller: 0,
    group: "callers",
    turn: 0,
    sentMs: 0,
    eventMs: [],
    endMs,
    promptTokens: 1,
    cachedTokens: 0,
    generatedTokens: 1,
  });
  const calls = [call(500), call(1_500), call(2_900), call(null)];
  assert.equal(capacityOf({ wallMs: 3_000, clientCpuMs: 0, cut: true, calls, failures: [] }), 1);
});

test("the longest step is the mean of the report where it is longest", () => {
  const steps = [
    { count: 10, seconds: 1, preemptions: 0 },
    { count: 20, seconds: 2, preemptions: 0 },
    { count: 20, seconds: 2, preemptions: 1 },
    { count: 22, seconds: 3, preemptions: 1 },
  ];
  assert.equal(longestStepMs({ ...result(), steps }), 500);
});

test("memory grows from one part of the run to its end", () => {
  const memory = Array.from({ length: 100 }, (_, index) => ({
    atMs: (index + 1) * 100,
    bytes: index < 50 ? 100 : 110,
  }));
  const measured = { ...result(), memory };
  assert.ok(Math.abs(memoryGrowth(measured, 0.5) - 10) < 1e-9);
});
