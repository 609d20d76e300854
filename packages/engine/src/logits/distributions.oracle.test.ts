// What the whole pipeline leaves of real rows of logits is what transformers leaves, within 1e-5; and one step's
// order cannot be another.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  readDistributions,
  type Distribution,
  type RecordedCase,
} from "../testing/recorded-distributions.ts";
import { validGeneration } from "../testing/valid-generation.ts";
import { createPipeline, processScores } from "./pipeline.ts";

const recorded = readDistributions();
const { vocabSize, rows } = recorded;

function ourDistribution({ row, parameters }: RecordedCase): Float64Array {
  const { ids, logits } = rows[row]!;
  const settings = validGeneration(parameters, ids.length, { vocabSize });
  const scores = logits.slice();
  const environment = { vocabSize, minKeepCount: 1, scratch: new Float64Array(vocabSize) };
  processScores(createPipeline(settings, environment), scores, ids);
  const best = scores.reduce((left, right) => Math.max(left, right), -Infinity);
  const weights = Float64Array.from(scores, (score) => Math.exp(score - best));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return weights.map((weight) => weight / total);
}

/** The largest difference between any two probabilities, 0 where both rule a token out. */
function distance(given: Float64Array, { ids, probabilities }: Distribution): number {
  const expected = new Float64Array(vocabSize);
  for (const [index, id] of ids.entries()) expected[id] = probabilities[index]!;
  return given.reduce((most, value, id) => Math.max(most, Math.abs(value - expected[id]!)), 0);
}

function title({ parameters, row }: RecordedCase): string {
  const named = Object.entries(parameters).filter(
    ([name]) => name !== "do_sample" && name !== "max_new_tokens",
  );
  return `row ${row}: ${JSON.stringify(Object.fromEntries(named))}`;
}

for (const one of recorded.cases) {
  test(`probabilities within 1e-5, ${title(one)}`, () => {
    const given = ourDistribution(one);
    const kept = [...given.keys()].filter((id) => given[id]! > 0);
    assert.deepEqual(kept, one.ids, "the same tokens stay possible");
    assert.ok(distance(given, one) < 1e-5, `they differ by ${distance(given, one)}`);
  });
}

for (const one of recorded.swaps) {
  test(`${one.processors.join(" acts before ")}, ${title(one)}`, () => {
    const given = ourDistribution(one);
    assert.ok(distance(given, one) < 1e-5, `they differ by ${distance(given, one)}`);
    assert.ok(distance(given, one.swapped) > 0.01, "the other order is told apart");
  });
}
