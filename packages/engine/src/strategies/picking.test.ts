import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { pickGreedily } from "./greedy.ts";
import { uniformAt } from "./rng.ts";
import { pickBySampling } from "./sample.ts";

const sample = (scores: readonly number[], uniform: number): number | null =>
  pickBySampling(Float32Array.from(scores), uniform, new Float64Array(scores.length));

test("greedy takes the best score, the lowest id among equals", () => {
  assert.equal(pickGreedily(Float32Array.of(1, 3, 3, 2)), 1);
  assert.equal(pickGreedily(Float32Array.of(-Infinity, -5, -Infinity)), 1);
});

test("a row without a possible token gives none, greedily or by chance", () => {
  for (const row of [[-Infinity, -Infinity], [1, NaN, 2], []]) {
    assert.equal(pickGreedily(Float32Array.from(row)), null);
    assert.equal(sample(row, 0.5), null);
  }
});

test("a token of probability zero is never picked", () => {
  const scores = fc.array(fc.oneof(fc.float({ min: -50, max: 50, noNaN: true }), fc.constant(-Infinity)), {
    minLength: 1,
  });
  const uniform = fc.oneof(
    fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
    fc.constant(1 - 2 ** -53),
  );
  fc.assert(
    fc.property(scores, uniform, (row, draw) => {
      const picked = sample(row, draw);
      if (row.every((score) => score === -Infinity)) assert.equal(picked, null);
      else assert.ok(row[picked!]! > -Infinity);
    }),
  );
});

test("sampling walks the ids in order", () => {
  const halves = [0, -Infinity, 0];
  assert.equal(sample(halves, 0), 0);
  assert.equal(sample(halves, 0.499), 0);
  assert.equal(sample(halves, 0.5), 2);
  assert.equal(sample(halves, 1 - 2 ** -53), 2);
});

test("ids are drawn as often as the softmax of their scores says", () => {
  const scores = [2, 1, 0.5, 0.5, -1, -3];
  const total = scores.reduce((sum, score) => sum + Math.exp(score), 0);
  const counts = scores.map(() => 0);
  const drawCount = 20_000;
  for (let position = 0; position < drawCount; position++) {
    counts[sample(scores, uniformAt({ seed: 3, promptIndex: 0, sequenceIndex: 0, position }))!]! += 1;
  }
  const chiSquared = counts.reduce((sum, count, id) => {
    const expected = (drawCount * Math.exp(scores[id]!)) / total;
    return sum + (count - expected) ** 2 / expected;
  }, 0);
  // 5 degrees of freedom: 0.999 of all are below 20.5.
  assert.ok(chiSquared < 20.5, `χ² ${chiSquared}`);
});
