// The traps of `generate` that lie in its warpers; the numbers are those of the specification's list.

import assert from "node:assert/strict";
import { test } from "node:test";
import { kept, processed } from "../testing/processed.ts";
import type { WarperSettings } from "../valid-generation.ts";

const scores = [2, 1, 0.5, 0.5, -1, -3];
const keptWith = (changes: Partial<WarperSettings>, row = scores) =>
  kept(processed({ scores: row }, { doSample: true, ...changes }));

test("trap 5: a top_p of 0 leaves one token", () => {
  assert.deepEqual(keptWith({ topP: 0 }), [0]);
});

test("trap 8: top_p keeps the token that crosses p, and drops one where the mass above it is p exactly", () => {
  const quarters = [0, 0, 0, 0];
  assert.equal(keptWith({ topP: 0.5 }, quarters).length, 2);
  assert.equal(keptWith({ topP: 0.51 }, quarters).length, 3);
  assert.deepEqual(keptWith({ topP: 0.6 }), [0, 1]);
});

test("trap 9: top_k keeps all that tie with the k-th", () => {
  assert.deepEqual(keptWith({ topK: 3 }), [0, 1, 2, 3]);
});

test("trap 10: typical sampling may remove the best token", () => {
  assert.deepEqual(keptWith({ typicalP: 0.1 }), [1]);
});

test("trap 11: min_p compares with the best probability after temperature, top_k and top_p", () => {
  assert.deepEqual(keptWith({ minP: 0.3 }), [0, 1]);
  assert.deepEqual(keptWith({ minP: 0.3, temperature: 2 }), [0, 1, 2, 3]);
  assert.deepEqual(keptWith({ minP: 0.3, temperature: 2, topK: 2 }), [0, 1]);
  assert.deepEqual(keptWith({ minP: 0.01, topP: 0.6 }), [0, 1]);
});

test("trap 12: the temperature comes before all filters that truncate", () => {
  assert.deepEqual(keptWith({ topP: 0.6 }), [0, 1]);
  assert.deepEqual(keptWith({ topP: 0.6, temperature: 0.25 }), [0]);
  assert.deepEqual(keptWith({ epsilonCutoff: 0.15 }), [0, 1]);
  assert.deepEqual(keptWith({ epsilonCutoff: 0.15, temperature: 2 }), [0, 1, 2, 3]);
});
