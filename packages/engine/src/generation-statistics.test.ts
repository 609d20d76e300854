import assert from "node:assert/strict";
import { test } from "node:test";
import type { Histogram } from "@corral/contract";
import { createGenerationStatistics } from "./generation-statistics.ts";
import type { GroupEnd } from "./group.ts";

const done: GroupEnd = { kind: "done" };
const aborted: GroupEnd = { kind: "failed", code: "aborted", detail: "" };

function begin(statistics = createGenerationStatistics(), receivedAtMs?: number) {
  const promptIds = [1, 2, 3];
  statistics.begin(
    {
      id: "a",
      promptIds,
      owner: "test",
      priority: 0,
      deadlineAtMs: null,
      ...(receivedAtMs === undefined ? {} : { receivedAtMs }),
    },
    1_000,
  );
  return statistics;
}

const emitted = (tokens: readonly number[], row = 0) =>
  ({ kind: "emitted", group: "a", row, tokens }) as const;
const admitted = (atMs: number) => ({ kind: "admitted", group: "a", atMs, cachedTokenCount: 0 }) as const;
const ended = (end: GroupEnd) => ({ kind: "ended", group: "a", end }) as const;

const countOf = ({ counts }: Histogram) => counts.reduce((sum, count) => sum + count, 0);

test("a generation's phases are measured from event to event, its first token from the call's arrival", () => {
  const statistics = begin(createGenerationStatistics(), 500);
  statistics.take(admitted(3_000), 3_010);
  statistics.take(emitted([7]), 4_000);
  statistics.take(emitted([8]), 4_100);
  statistics.take({ kind: "row_finished", group: "a", row: 0, reason: "length" }, 4_200);
  statistics.take(ended(done), 4_200);
  const counts = statistics.read();
  assert.equal(counts.timeToFirstTokenSeconds.sum, 3.5);
  assert.equal(counts.queueSeconds.sum, 2);
  assert.equal(counts.prefillSeconds.sum, 1);
  assert.equal(counts.decodeSeconds.sum, 0.2);
  assert.equal(counts.totalSeconds.sum, 3.7);
  assert.deepEqual([counts.promptTokenCount, counts.generatedTokenCount], [3, 2]);
  assert.deepEqual([counts.promptTokens.sum, counts.generatedTokens.sum], [3, 2]);
  assert.deepEqual(counts.finishedCounts, {
    stop: 0,
    stop_sequence: 0,
    length: 1,
    time: 0,
    abort: 0,
    error: 0,
  });
});

test("the time between tokens is that of each returned sequence, shared by tokens that come together", () => {
  const statistics = begin();
  statistics.take(admitted(1_000), 1_000);
  statistics.take(emitted([7, 7], 0), 1_100);
  statistics.take(emitted([7], 1), 1_150);
  statistics.take(emitted([7], 0), 1_120);
  statistics.take(emitted([7, 7, 7], 1), 1_450);
  const { interTokenLatencySeconds, generatedTokenCount } = statistics.read();
  assert.equal(generatedTokenCount, 7);
  assert.equal(countOf(interTokenLatencySeconds), 1 + 3);
  assert.ok(Math.abs(interTokenLatencySeconds.sum - 0.32) < 1e-9);
});

test("a generation that was never admitted has waited, and counts no tokens and no phase", () => {
  const statistics = begin();
  statistics.take(ended(aborted), 1_700);
  const counts = statistics.read();
  assert.deepEqual([counts.queueSeconds.sum, counts.totalSeconds.sum], [0.7, 0.7]);
  assert.deepEqual([countOf(counts.prefillSeconds), countOf(counts.promptTokens)], [0, 0]);
  assert.deepEqual([counts.promptTokenCount, countOf(counts.timeToFirstTokenSeconds)], [0, 0]);
  assert.equal(counts.finishedCounts.abort, 1);
});

test("the worst reason of its sequences and of its own end is the generation's", () => {
  const cases = [
    [["stop", "length", "stop"], done, "length"],
    [["stop"], aborted, "abort"],
    [["stop"], { kind: "failed", code: "decode_failed", detail: "" }, "error"],
    [["error", "stop"], aborted, "error"],
  ] as const;
  for (const [reasons, end, expected] of cases) {
    const statistics = begin();
    for (const [row, reason] of reasons.entries())
      statistics.take({ kind: "row_finished", group: "a", row, reason }, 1_000);
    statistics.take(ended(end), 1_000);
    assert.equal(statistics.read().finishedCounts[expected], 1, expected);
  }
});

test("a generation that is admitted again counts its prompt and its wait once", () => {
  const statistics = begin();
  statistics.take(admitted(1_100), 1_100);
  statistics.take(admitted(9_000), 9_000);
  statistics.take(ended(done), 9_500);
  const counts = statistics.read();
  assert.equal(counts.promptTokenCount, 3);
  assert.equal(counts.queueSeconds.sum, 0.1);
});

test("events of an unknown generation count nothing", () => {
  const statistics = createGenerationStatistics();
  statistics.take(admitted(1), 1);
  statistics.take(emitted([1]), 1);
  statistics.take(ended(done), 1);
  assert.equal(countOf(statistics.read().totalSeconds), 0);
});
