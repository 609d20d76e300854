import assert from "node:assert/strict";
import { test } from "node:test";
import { createHistogram } from "./histogram.ts";

test("a value counts in the first bucket whose bound is not below it, and above the last in one of its own", () => {
  const histogram = createHistogram([1, 5]);
  for (const value of [0, 1, 1.5, 5, 5.5]) histogram.add(value);
  assert.deepEqual(histogram.read(), { counts: [2, 2, 1], sum: 13 });
  histogram.add(2, 3);
  assert.deepEqual(histogram.read(), { counts: [2, 5, 1], sum: 19 });
});

test("what was read does not change with what comes later", () => {
  const histogram = createHistogram([1]);
  const before = histogram.read();
  histogram.add(1);
  assert.deepEqual(before, { counts: [0, 0], sum: 0 });
});
