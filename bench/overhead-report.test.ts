import assert from "node:assert/strict";
import { test } from "node:test";
import { pairedRatios, roundOf } from "./overhead-report.ts";

test("a ratio is taken round by round, so drift that hits both sides cancels", () => {
  assert.deepEqual(pairedRatios([50, 5], [100, 10]), { median: 0.5, min: 0.5, max: 0.5 });
});

test("a round counts calls over wall time and the client's own share", () => {
  const round = roundOf([1, 2, 3, 4], 2_000, 500);
  assert.equal(round.callsPerSecond, 2);
  assert.equal(round.clientShare, 0.25);
});
