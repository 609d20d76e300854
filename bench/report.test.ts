import assert from "node:assert/strict";
import { test } from "node:test";
import { median, pairedRatios, percentile, roundOf } from "./report.ts";

test("percentiles are values that were measured", () => {
  assert.equal(median([3, 1, 2]), 2);
  assert.equal(percentile([5, 1, 4, 2, 3], 0.95), 5);
  assert.throws(() => median([]));
});

test("a ratio is taken round by round, so drift that hits both sides cancels", () => {
  assert.deepEqual(pairedRatios([50, 5], [100, 10]), { median: 0.5, min: 0.5, max: 0.5 });
});

test("a round counts calls over wall time and the client's own share", () => {
  const round = roundOf([1, 2, 3, 4], 2_000, 500);
  assert.equal(round.callsPerSecond, 2);
  assert.equal(round.clientShare, 0.25);
});
