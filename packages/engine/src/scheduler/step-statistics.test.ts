import assert from "node:assert/strict";
import { test } from "node:test";
import { createGroup } from "../group.ts";
import { createSequence, type Sequence } from "../sequence.ts";
import { createStepStatistics } from "./step-statistics.ts";

function groupOf(...contexts: number[][]) {
  const who = { id: "a", owner: "test", weight: 1, priority: 0, namespace: "" };
  const deadlines = { deadlineAtMs: null, queueDeadlineAtMs: null };
  return createGroup({ ...who, ...deadlines, contexts, slotCount: 4, cellCount: 64 }, 0);
}

/** A step of one group: tokens of each of its sequences. */
function stepOf(group: ReturnType<typeof groupOf>, tokenCounts: readonly [Sequence, number][]) {
  return {
    entries: tokenCounts.map(([{ slot, computedTokenCount }, tokenCount]) => ({
      slot,
      start: computedTokenCount,
      tokens: Array.from({ length: tokenCount }, () => 0),
      outputs: [],
    })),
    tokenCount: tokenCounts.reduce((sum, [, tokenCount]) => sum + tokenCount, 0),
    groupShares: [
      {
        group,
        shares: tokenCounts.map(([sequence, tokenCount]) => ({ sequence, tokenCount })),
        completes: true,
      },
    ],
  };
}

test("tokens of a prompt are told from generated ones by their place, also in one sequence and after a fork", () => {
  const group = groupOf([1, 2, 3, 4], [5, 6]);
  const first = createSequence(0, group.spec.contexts[0] ?? []);
  const second = createSequence(1, group.spec.contexts[1] ?? []);
  const statistics = createStepStatistics();
  statistics.count(stepOf(group, [[first, 3]]));
  first.computedTokenCount = 3;
  statistics.count(
    stepOf(group, [
      [first, 3],
      [second, 2],
    ]),
  );
  const fork = { ...first, id: 7, slot: 2, computedTokenCount: 6 };
  statistics.count(stepOf(group, [[fork, 1]]));
  const { stepCount, computedTokenCount, prefillTokenCount, decodeTokenCount } = statistics.read();
  assert.deepEqual(
    [stepCount, computedTokenCount, prefillTokenCount, decodeTokenCount],
    [3, 9, 3 + 1 + 2, 2 + 1],
  );
});

test("a step's tokens count in their bucket, and a step without tokens is none", () => {
  const group = groupOf([1, 2, 3]);
  const sequence = createSequence(0, [1, 2, 3]);
  const statistics = createStepStatistics();
  statistics.count(stepOf(group, []));
  statistics.count(stepOf(group, [[sequence, 1]]));
  statistics.count(stepOf(group, [[sequence, 9]]));
  const { stepCount, stepTokens, batchHistogram } = statistics.read();
  assert.deepEqual([stepCount, stepTokens.sum], [2, 10]);
  assert.deepEqual(stepTokens.counts.slice(0, 4), [1, 0, 1, 0]);
  assert.deepEqual([...batchHistogram], [[1, 2]]);
});

test("prefix look-ups count in tokens, preemptions one by one", () => {
  const statistics = createStepStatistics();
  statistics.countPrefixLookup(10, 4);
  statistics.countPrefixLookup(5, 0);
  statistics.countPreemption();
  const { prefixQueryTokenCount, prefixHitTokenCount, preemptionCount } = statistics.read();
  assert.deepEqual([prefixQueryTokenCount, prefixHitTokenCount, preemptionCount], [15, 4, 1]);
});
