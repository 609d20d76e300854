import assert from "node:assert/strict";
import { test } from "node:test";
import { addStatistics, emptyStatistics, type ReplicaStatistics } from "@corral/contract";
import { noStatistics, replicaGone, replicaReported, totalStatistics } from "./deployment-statistics.ts";

/** Statistics with `count` in a counter, a reason and a bucket. */
function counted(count: number): ReplicaStatistics {
  const statistics = emptyStatistics();
  return {
    counters: { ...statistics.counters, prompt_tokens: count },
    finished: { ...statistics.finished, stop: count },
    histograms: {
      ...statistics.histograms,
      step_tokens: {
        counts: statistics.histograms.step_tokens.counts.map((zero, bucket) => (bucket === 2 ? count : zero)),
        sum: count * 10,
      },
    },
  };
}

test("a report replaces the replica's one before", () => {
  const state = replicaReported(replicaReported(noStatistics, "a", counted(3)), "a", counted(5));
  assert.deepEqual(totalStatistics(state), counted(5));
});

test("what a replica counted stays in the totals when it is gone, and its successor's counts come on top", () => {
  let state = replicaReported(noStatistics, "a", counted(3));
  state = replicaGone(state, "a");
  assert.deepEqual(totalStatistics(state), counted(3));
  assert.equal(state.alive.size, 0);
  state = replicaReported(state, "b", counted(2));
  assert.deepEqual(totalStatistics(state), counted(5));
});

test("replicas that run at the same time are added up", () => {
  const state = replicaReported(replicaReported(noStatistics, "a", counted(3)), "b", counted(4));
  assert.deepEqual(totalStatistics(state), addStatistics(counted(3), counted(4)));
});

test("a replica that ends without a report changes nothing", () => {
  assert.equal(replicaGone(noStatistics, "a"), noStatistics);
});
