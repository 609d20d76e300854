// The kernels give what their plain counterparts give, bit for bit: ties, infinities and NaN included.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { pickGreedily } from "../strategies/greedy.ts";
import { pickBySampling } from "../strategies/sample.ts";
import { createScoreRow, spreads } from "../testing/score-rows.ts";
import { expFloat32 } from "./exp.ts";
import { logSoftmax } from "./log-softmax.ts";
import { createSelectionKernels, type SelectionKernels } from "./selection-kernels.ts";
import { createTemperature } from "./temperature.ts";
import { createTopK } from "./top-k.ts";
import { createTopP } from "./top-p.ts";
import { logSoftmaxTopK, topScores, topScoresOf } from "./top-scores.ts";

const ordinary = fc
  .tuple(fc.integer({ min: 1, max: 3000 }), fc.constantFrom(...spreads), fc.integer())
  .map(([length, spread, seed]) => createScoreRow(length, spread, seed));
/** Any float32 at all, and rows of few values. */
const strange = fc.oneof(
  fc.float32Array({ minLength: 1, maxLength: 300 }),
  fc.float32Array({ minLength: 1, maxLength: 300, noNaN: true, noDefaultInfinity: true }),
  fc.array(fc.constantFrom(-Infinity, -1, -0, 0, 1e-44, 2), { minLength: 1, maxLength: 700 }),
  fc.array(fc.constantFrom(-Infinity, -3.4e38, 0, 3.4e38, Infinity), { minLength: 1, maxLength: 50 }),
);
/** Ordinary rows with a few strange scores in them. */
const spoiled = fc
  .tuple(
    ordinary,
    fc.array(fc.tuple(fc.nat(), fc.constantFrom(NaN, Infinity, -Infinity, 0)), { maxLength: 3 }),
  )
  .map(([row, spoils]) => {
    for (const [place, score] of spoils) row[place % row.length] = score;
    return row;
  });
const rows = fc.oneof(ordinary, spoiled, strange).map((row) => Float32Array.from(row));
const temperature = fc.oneof(
  fc.constantFrom(null, 0.7, 0.8, 1.5),
  fc.constantFrom(1e-300, 1e-37, 1e-6, 1e37, 1e300),
);
const uniform = fc.oneof(
  fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
  fc.constantFrom(0, 1 - 2 ** -53),
);

const kernelsOf = new Map<number, SelectionKernels>();

function load(row: Float32Array): SelectionKernels {
  const kernels = kernelsOf.get(row.length) ?? createSelectionKernels(row.length);
  kernelsOf.set(row.length, kernels);
  kernels.scores.set(row);
  return kernels;
}

/** 0 and -0 told apart, NaN not. */
function assertSameBits(actual: Float32Array, expected: Float32Array): void {
  const id = expected.findIndex((score, place) => !Object.is(score, actual[place]));
  assert.equal(actual[id], expected[id], `score ${id}`);
  assert.equal(id, -1);
}

test("bestId is the greedy pick", () => {
  fc.assert(
    fc.property(rows, (row) => {
      assert.equal(load(row).bestId(), pickGreedily(row));
    }),
    { numRuns: 500 },
  );
});

test("warpers leave the same scores on a shortlist as on the row", () => {
  let shortlistCount = 0;
  const topP = fc.oneof(
    fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
    fc.constantFrom(null, 0, 0.9, 1 - 2 ** -53),
  );
  fc.assert(
    fc.property(rows, fc.nat(), temperature, topP, (row, rank, divisor, mass) => {
      const topK = 1 + (rank % row.length);
      const warpers = [
        ...(divisor === null ? [] : [createTemperature(divisor)]),
        createTopK(topK, 1),
        ...(mass === null ? [] : [createTopP(mass, 1, new Float64Array(row.length))]),
      ];
      const list = load(row).shortlist(topK, { temperature: divisor });
      if (list === null) return;
      shortlistCount += 1;
      const result = new Float32Array(row.length).fill(-Infinity);
      for (const warper of warpers) {
        warper.process(row, []);
        warper.process(list.scores, []);
      }
      for (const [index, id] of list.ids.entries()) {
        assert.ok(index === 0 || id > list.ids[index - 1]!, "ids ascend");
        result[id] = list.scores[index]!;
      }
      assertSameBits(result, row);
    }),
    { numRuns: 600 },
  );
  assert.ok(shortlistCount > 100, `only ${shortlistCount} rows had a shortlist`);
});

test("a shortlist of 50 from 128,256 scores is hardly longer", () => {
  for (const spread of ["flat", "peaked"] as const) {
    const row = createScoreRow(128_256, spread, 1);
    const length = load(row).shortlist(50, {})!.ids.length;
    assert.ok(length >= 50 && length < 75, `${spread}: ${length}`);
  }
});

test("a row whose ties fill the shortlist has none", () => {
  assert.equal(load(new Float32Array(5000).fill(1)).shortlist(50, {}), null);
});

test("a draw from the weighed row is the sampling pick", () => {
  fc.assert(
    fc.property(rows, uniform, (row, number) => {
      const kernels = load(row);
      kernels.weigh();
      assert.equal(kernels.draw(number), pickBySampling(row, number, new Float64Array(row.length)));
    }),
    { numRuns: 500 },
  );
});

test("log-softmax gives the same bits, and every later row comes out right as well", () => {
  fc.assert(
    fc.property(rows, (row) => {
      const kernels = load(row);
      kernels.logSoftmax();
      const expected = row.slice();
      logSoftmax(expected);
      assertSameBits(kernels.scores, expected);
      kernels.scores.set(row);
      assert.equal(kernels.bestId(), pickGreedily(row));
    }),
    { numRuns: 300 },
  );
});

test("log-softmax is that of doubles to within float32", () => {
  fc.assert(
    fc.property(ordinary, (row) => {
      const best = Math.max(...row);
      const logSum = Math.log(row.reduce((sum, score) => sum + Math.exp(score - best), 0));
      const expected = [...row].map((score) => score - best - logSum);
      logSoftmax(row);
      for (const [id, value] of expected.entries()) {
        assert.ok(Math.abs(row[id]! - value) <= 2 ** -22 * Math.max(1, -value), `${row[id]} for ${value}`);
      }
    }),
    { numRuns: 50 },
  );
});

test("the exponential is within one unit in the last place, and exact at 0", () => {
  assert.equal(expFloat32(0), 1);
  assert.equal(expFloat32(-0), 1);
  assert.equal(expFloat32(-Infinity), 0);
  assert.equal(expFloat32(NaN), NaN);
  fc.assert(
    fc.property(fc.float({ min: -87, max: 0, noNaN: true }), (x) => {
      const expected = Math.exp(x);
      const unit = 2 ** (Math.floor(Math.log2(expected)) - 23);
      assert.ok(Math.abs(expFloat32(x) - expected) <= unit, `exp(${x})`);
    }),
    { numRuns: 2000 },
  );
});

test("the best tokens with a running score are those of a sorted row, ties by id", () => {
  const runningScores = fc.oneof(fc.float({ min: -100, max: 0, noNaN: true }), fc.constantFrom(0, -1e9));
  fc.assert(
    fc.property(rows, fc.integer({ min: 1, max: 40 }), runningScores, (row, count, runningScore) => {
      const sorted = [...row.map((score) => score + runningScore).entries()]
        .map(([id, score]) => ({ id, score }))
        .sort((a, b) => (a.score === b.score ? a.id - b.id : b.score - a.score))
        .slice(0, count);
      const expected = row.some(Number.isNaN) ? null : sorted;
      assert.deepStrictEqual(topScores(row, count, runningScore), expected);
      assert.deepStrictEqual(topScoresOf(load(row), count, runningScore), expected);
    }),
    { numRuns: 300 },
  );
});

test("log-softmax with the best tokens is one after the other", () => {
  fc.assert(
    fc.property(
      rows,
      fc.integer({ min: 1, max: 40 }),
      fc.float({ min: -50, max: 0 }),
      (row, count, score) => {
        const kernels = load(row);
        logSoftmax(row);
        assert.deepStrictEqual(logSoftmaxTopK(kernels, count, score), topScores(row, count, score));
      },
    ),
    { numRuns: 300 },
  );
});
