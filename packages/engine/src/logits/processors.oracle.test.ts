// Against transformers' own processors, alone, in pairs and in chains, recorded by scripts/oracle/record_processors.py.

import assert from "node:assert/strict";
import { test } from "node:test";
import { readRecordedProcessors, settingsOf, type RecordedCase } from "../testing/recorded-processors.ts";
import { greatestFloat32 } from "./float32.ts";
import { createMersenneTwister, fillPermutation, isEarlyInPermutation } from "./mersenne-twister.ts";
import { createPipeline, processScores } from "./pipeline.ts";

const record = readRecordedProcessors();
const { vocabSize, unconditional } = record;
const scratch = new Float64Array(vocabSize);

function process({ parameters, promptTokenCount, tokens, row }: RecordedCase): Float32Array {
  const settings = settingsOf(parameters, promptTokenCount);
  const minKeepCount = Number(parameters["num_beams"]) > 1 ? settings.endTokenIds.length + 1 : 1;
  const scores = record.rows.get(row)!.slice();
  const environment = { vocabSize, minKeepCount, scratch, unconditionalScores: unconditional.slice() };
  processScores(createPipeline(settings, environment), scores, tokens);
  return scores;
}

/** Where torch sums up float32 numbers, in an order that is its own, or takes logarithms. */
function isApproximate({ parameters }: RecordedCase): boolean {
  const isSynthId = JSON.stringify(parameters["watermarking_config"] ?? "").includes("ngram_len");
  return isSynthId || "guidance_scale" in parameters || "renormalize_logits" in parameters;
}

/** Results may differ as float32 sums do, and where both are no probability to speak of. */
function isNear(actual: number, expected: number, best: number): boolean {
  if (Object.is(actual, expected)) return true;
  if (actual < best - 30 && expected < best - 30) return true;
  return Math.abs(actual - expected) <= 1e-5 * Math.max(1, Math.abs(expected));
}

function assertSameScores(actual: Float32Array, expected: Float32Array, recorded: RecordedCase): void {
  const { row, tokens, isUnordered, parameters } = recorded;
  const message = `${JSON.stringify(parameters)} on ${row} after [${tokens.join()}]`;
  const [given, wanted] = [actual, expected].map((scores) => {
    // Ours stop at the greatest number where a product gets infinite, which no distribution can be made of.
    const finite = scores.map((score) => Math.min(score, greatestFloat32));
    return isUnordered ? finite.toSorted() : finite;
  });
  if (!isApproximate(recorded)) {
    assert.deepEqual(given, wanted, message);
    return;
  }
  const best = Math.max(...wanted!);
  for (const [id, score] of wanted!.entries()) {
    assert.ok(isNear(given![id]!, score, best), `${message}: score ${id} is ${given![id]}, not ${score}`);
  }
}

const ordinary = new Set(["do_sample", "top_k", "max_length", "num_beams", "eos_token_id"]);
const casesOf = Map.groupBy(record.cases, ({ group, parameters }) => {
  const names = Object.keys(parameters).filter((name) => !ordinary.has(name));
  return group === "alone" ? (names.at(-1) ?? "top_k") : group;
});

for (const [name, cases] of casesOf) {
  test(`${name}: ${cases.length} results are those of transformers ${record.transformers}`, () => {
    for (const recorded of cases) assertSameScores(process(recorded), recorded.expected, recorded);
  });
}

test("the record has every processor alone, and few results that hang on torch's sort", () => {
  const unordered = record.cases.filter(({ isUnordered }) => isUnordered).length;
  assert.ok(unordered / record.cases.length < 0.1, `${unordered} of ${record.cases.length}`);
  assert.ok(record.cases.length > 700);
});

test("permutations are torch's", () => {
  for (const { seed, size, start } of record.watermarks.permutations) {
    const permutation = new Int32Array(size);
    fillPermutation(permutation, start.length, createMersenneTwister(seed));
    assert.deepEqual([...permutation.subarray(0, start.length)], start, `seed ${seed}, size ${size}`);
    for (let value = 0; value < Math.min(size, 300); value++) {
      const isEarly = isEarlyInPermutation(value, start.length, size, createMersenneTwister(seed));
      assert.equal(isEarly, start.includes(value), `seed ${seed}, size ${size}, value ${value}`);
    }
  }
});
