import assert from "node:assert/strict";
import { test } from "node:test";
import { createRandom } from "./random.ts";
import { estimateMedian, median, percentile } from "./statistics.ts";

test("percentiles are values that were measured", () => {
  assert.equal(percentile([5, 1, 4, 2, 3], 0.95), 5);
  assert.equal(percentile([5, 1, 4, 2, 3], 0), 1);
  assert.throws(() => percentile([], 0.5));
});

test("the median of an even number of values is between the two in the middle", () => {
  assert.equal(median([3, 1, 2]), 2);
  assert.equal(median([4, 1, 2, 3]), 2.5);
  assert.equal(median([7]), 7);
  assert.throws(() => median([]));
});

test("an interval is the same for the same seed and holds the median", () => {
  const values = [1, 2, 3, 4, 5, 6, 7, 8, 9];
  const estimate = estimateMedian(values, "a");
  assert.deepEqual(estimate, estimateMedian(values, "a"));
  assert.equal(estimate.median, 5);
  assert.ok(estimate.low >= 2 && estimate.low < 5 && estimate.high > 5 && estimate.high <= 8);
  assert.deepEqual(estimateMedian([4], "a"), { median: 4, low: 4, high: 4 });
});

test("the interval holds the true median about as often as it says", () => {
  const random = createRandom("coverage");
  const hits = Array.from({ length: 60 }, (_, trial) => {
    const values = Array.from({ length: 25 }, () => random.next());
    const { low, high } = estimateMedian(values, `trial ${trial}`, 300);
    return low <= 0.5 && high >= 0.5 ? 1 : 0;
  });
  const share = hits.reduce<number>((sum, hit) => sum + hit, 0) / hits.length;
  assert.ok(share >= 0.85, `${share}`);
});

test("chance is seeded by its words, and spread evenly", () => {
  const draws = (...words: (string | number)[]) => {
    const random = createRandom(...words);
    return Array.from({ length: 2_000 }, () => random.next());
  };
  assert.deepEqual(draws(1, "a"), draws(1, "a"));
  assert.notDeepEqual(draws(1, "a"), draws(2, "a"));
  const mean = draws("mean").reduce((sum, value) => sum + value, 0) / 2_000;
  assert.ok(Math.abs(mean - 0.5) < 0.03, `${mean}`);
  const integers = Array.from({ length: 500 }, () => createRandom("i").integer(3, 5));
  assert.ok(integers.every((value) => value === 3 || value === 4));
});
