// Selection without sorting equals the plain definitions, ties and -Infinity included.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { kthLargest } from "./select.ts";
import { createTopK } from "./top-k.ts";
import { createTopP } from "./top-p.ts";

const score = fc.oneof(
  fc.float({ min: -30, max: 30, noNaN: true }),
  fc.integer({ min: -6, max: 6 }).map((value) => value / 2),
  fc.constant(-Infinity),
);
const rows = fc.array(score, { minLength: 1, maxLength: 200 }).map((values) => Float32Array.from(values));

test("kthLargest equals the k-th of a sorted row", () => {
  const any = fc.array(fc.float({ noNaN: true }), { minLength: 1, maxLength: 60 });
  fc.assert(
    fc.property(any, fc.nat(), (values, seed) => {
      const row = Float32Array.from(values);
      const rank = 1 + (seed % row.length);
      const expected = [...row].sort((a, b) => b - a)[rank - 1]!;
      assert.ok(kthLargest(row, rank) === expected, `${rank} of ${[...row].join()}`);
    }),
  );
});

test("kthLargest equals the k-th of a sorted row of many scores, at small and large ranks", () => {
  const row = Float32Array.from({ length: 5000 }, (_, id) => Math.sin(id * 12.9898) * 20 - (id % 7));
  const sorted = row.toSorted().reverse();
  for (const rank of [1, 2, 50, 256, 257, 1000, 4999, 5000]) {
    assert.equal(kthLargest(row, rank), sorted[rank - 1], `rank ${rank}`);
  }
});

test("top_k equals its definition by sorting", () => {
  fc.assert(
    fc.property(rows, fc.integer({ min: 1, max: 250 }), (row, k) => {
      const threshold = [...row].sort((a, b) => b - a)[Math.min(k, row.length) - 1]!;
      const expected = row.map((value) => (value < threshold ? -Infinity : value));
      createTopK(k, 1).process(row, []);
      assert.deepEqual(row, expected);
    }),
  );
});

/** As transformers writes it: sort ascending (stable), softmax, cumulative sum, cut, keep the last minKeep. */
function topPBySorting(row: Float32Array, topP: number, minKeepCount: number): Float32Array {
  const best = Math.max(...row);
  if (best === -Infinity) return row;
  const weights = row.map((value) => Math.exp(Math.fround(value - best)));
  const sum = Math.fround(weights.reduce((total, weight) => total + weight, 0));
  const order = [...row.keys()].sort((a, b) => compare(row[a]!, row[b]!) || a - b);
  const result = row.slice();
  let cumulative = 0;
  for (const [index, id] of order.entries()) {
    cumulative += Math.fround(weights[id]! / sum);
    const isRemoved = Math.fround(cumulative) <= Math.fround(1 - topP);
    if (isRemoved && index < order.length - minKeepCount) result[id] = -Infinity;
  }
  return result;
}

/** Without NaN for two infinities. */
function compare(a: number, b: number): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

test("top_p equals its definition by sorting", () => {
  const p = fc.oneof(
    fc.double({ min: 0, max: 1, noNaN: true }),
    fc.constantFrom(0, 0.25, 0.5, 0.75, 0.9, 0.99),
  );
  fc.assert(
    fc.property(rows, p, fc.integer({ min: 1, max: 4 }), (row, topP, minKeepCount) => {
      const expected = topPBySorting(row, topP, minKeepCount);
      createTopP(topP, minKeepCount, new Float64Array(row.length)).process(row, []);
      assert.deepEqual(row, expected);
    }),
    { numRuns: 400 },
  );
});
