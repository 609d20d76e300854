// Worked values of each processor as transformers 5.23.0 has them, and the pipeline's order.

import assert from "node:assert/strict";
import { test } from "node:test";
import { validGeneration } from "../testing/valid-generation.ts";
import { createPipeline } from "./pipeline.ts";
import type { LogitsProcessor } from "./processor.ts";
import { createRepetitionPenalty } from "./repetition-penalty.ts";
import { createTemperature } from "./temperature.ts";
import { createTopK } from "./top-k.ts";
import { pickBySampling } from "../strategies/sample.ts";
import { createTopP } from "./top-p.ts";

const worked = [2, 1, 0.5, 0.5, -1, -3];

function run(
  processor: LogitsProcessor,
  scores: readonly number[],
  tokens: readonly number[] = [],
): number[] {
  const row = Float32Array.from(scores);
  processor.process(row, tokens);
  return [...row];
}

function kept(scores: readonly number[]): number[] {
  return [...scores.keys()].filter((id) => scores[id]! > -Infinity);
}

function topP(value: number, minKeepCount = 1): LogitsProcessor {
  return createTopP(value, minKeepCount, new Float64Array(worked.length));
}

test("top_k keeps all tokens that tie with the k-th", () => {
  assert.deepEqual(kept(run(createTopK(3, 1), worked)), [0, 1, 2, 3]);
  assert.deepEqual(kept(run(createTopK(2, 1), worked)), [0, 1]);
});

test("top_k beyond the vocabulary changes nothing, and minKeepCount is its least", () => {
  assert.deepEqual(run(createTopK(100, 1), worked), worked);
  assert.deepEqual(kept(run(createTopK(1, 2), worked)), [0, 1]);
});

test("top_p keeps the token that crosses p and drops the lower of two tied ids first", () => {
  const expected: [number, number[]][] = [
    [0, [0]],
    [0.5, [0]],
    [0.6, [0, 1]],
    [0.7, [0, 1]],
    [0.8, [0, 1, 3]],
    [0.9, [0, 1, 2, 3]],
    [0.95, [0, 1, 2, 3]],
  ];
  for (const [p, ids] of expected) assert.deepEqual(kept(run(topP(p), worked)), ids, `p ${p}`);
  assert.deepEqual(kept(run(topP(0.1, 2), worked)), [0, 1]);
});

test("top_p leaves a row alone that has no finite score", () => {
  assert.deepEqual(run(topP(0.5), [-Infinity, -Infinity]), [-Infinity, -Infinity]);
});

test("repetition_penalty acts once per distinct id: negatives are multiplied, the rest divided", () => {
  const penalty = createRepetitionPenalty(1.5, worked.length);
  const expected = [Math.fround(2 / 1.5), 1, 0.5, 0.5, -1.5, -3];
  assert.deepEqual(run(penalty, worked, [0, 4]), expected);
  assert.deepEqual(run(penalty, worked, [0, 4, 4, 0, 0]), expected);
  assert.deepEqual(run(penalty, [0, -Infinity], [0, 1]), [0, -Infinity]);
});

test("temperature divides in float32", () => {
  assert.deepEqual(run(createTemperature(0.7), [1, -Infinity]), [
    Math.fround(1 / Math.fround(0.7)),
    -Infinity,
  ]);
});

test("a temperature too small or too large for float32 still gives probabilities", () => {
  const scratch = new Float64Array(3);
  const pick = (scores: readonly number[], temperature: number) =>
    pickBySampling(Float32Array.from(run(createTemperature(temperature), scores)), 0.5, scratch);
  for (const temperature of [1e-300, 1e-45, 1e-40, 1e-37]) {
    assert.equal(pick([5, 7, -Infinity], temperature), 1, `${temperature}`);
    assert.equal(pick([-90, -7, -80], temperature), 1, `${temperature}`);
  }
  assert.deepEqual(run(createTemperature(1e308), [5, 7, -Infinity]).slice(2), [-Infinity]);
  assert.equal(pick([5, 7, -Infinity], 1e308), 1, "all that is possible is equally likely");
});

test("a repetition_penalty too small or too large for float32 leaves scores that can be compared", () => {
  for (const value of [1e-300, 1e-38, 1e300]) {
    const scores = run(createRepetitionPenalty(value, worked.length), [9, 0, -3], [0, 1, 2]);
    assert.ok(
      scores.every((score) => !Number.isNaN(score) && score < Infinity),
      `${value}: ${scores}`,
    );
    const warmed = run(createTemperature(0.5), scores);
    assert.ok(pickBySampling(Float32Array.from(warmed), 0.5, new Float64Array(3)) !== null, `${value}`);
  }
});

test("the pipeline follows the order of generate, whatever the order of the parameters", () => {
  const parameters = { top_p: 0.9, temperature: 0.5, top_k: 5, repetition_penalty: 1.2 };
  const environment = { vocabSize: 6, minKeepCount: 1, scratch: new Float64Array(6) };
  const names = (settings: Record<string, unknown>) =>
    createPipeline(validGeneration(settings, 1), environment).map(({ name }) => name);
  assert.deepEqual(names({ ...parameters, do_sample: true }), [
    "repetition_penalty",
    "temperature",
    "top_k",
    "top_p",
  ]);
  assert.deepEqual(names(parameters), ["repetition_penalty"], "warpers act only when sampling");
  assert.deepEqual(names({ do_sample: true }), ["top_k"], "top_k 50 is Hugging Face's default");
  assert.deepEqual(names({ do_sample: true, top_k: 0, top_p: 1.5, temperature: 1 }), []);
});
