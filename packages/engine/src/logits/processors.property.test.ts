// What holds for every processor: the result hangs on scores and tokens alone, rows without a distribution survive, and
// shortcuts equal their plain definitions.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { readRecordedProcessors, settingsOf } from "../testing/recorded-processors.ts";
import { expFloat32 } from "./exp.ts";
import { createMinP } from "./min-p.ts";
import { forEachContinuation } from "./ngrams.ts";
import { createPipeline, order, processScores } from "./pipeline.ts";
import type { LogitsProcessor } from "./processor.ts";
import { createTypicalP } from "./typical-p.ts";

const record = readRecordedProcessors();
const { vocabSize } = record;
const scratch = new Float64Array(vocabSize);
const promptTokenCount = 2;

/** Each parameter alone, with one value of the record. */
const parameters = Object.values(
  Object.fromEntries(
    record.cases
      .filter(({ group }) => group === "alone")
      .map((recorded) => [nameOf(recorded.parameters), recorded.parameters] as const),
  ),
);

function nameOf(given: Readonly<Record<string, unknown>>): string {
  return `${Object.keys(given).at(-1)} ${JSON.stringify(given["watermarking_config"])}`;
}

function pipelineOf(given: Readonly<Record<string, unknown>>): readonly LogitsProcessor[] {
  const settings = { ...settingsOf(given, promptTokenCount), presencePenalty: 0.5, frequencyPenalty: 0.25 };
  const unconditionalScores = record.unconditional;
  return createPipeline(settings, { vocabSize, minKeepCount: 1, scratch, unconditionalScores });
}

const score = fc.oneof(
  fc.float({ min: -30, max: 30, noNaN: true }),
  fc.integer({ min: -6, max: 6 }).map((value) => value / 2),
  fc.constant(-Infinity),
);
const rows = fc
  .array(score, { minLength: vocabSize, maxLength: vocabSize })
  .map((values) => Float32Array.from(values));
const histories = fc.array(fc.nat({ max: vocabSize - 1 }), {
  minLength: promptTokenCount,
  maxLength: 14,
});

test("a pipeline gives the same for the same tokens, whatever sequences it saw before", () => {
  const pipelines = parameters.map((given) => [given, pipelineOf(given), pipelineOf(given)] as const);
  const results = (pipeline: readonly LogitsProcessor[], row: Float32Array, sequences: readonly number[][]) =>
    sequences.map((tokens) => {
      const scores = row.slice();
      scratch.fill(NaN);
      processScores(pipeline, scores, tokens);
      return scores;
    });
  fc.assert(
    fc.property(rows, fc.array(histories, { minLength: 1, maxLength: 4 }), (row, sequences) => {
      const visited = [...sequences, sequences[0]!.slice(0, promptTokenCount), [...sequences[0]!, 7]];
      for (const [given, one, other] of pipelines) {
        const backwards = results(other, row, visited.toReversed()).reverse();
        assert.deepEqual(results(one, row, visited), backwards, JSON.stringify(given));
      }
    }),
    { numRuns: 25 },
  );
});

test("the order's numbers ascend, and every setting but two kinds of watermark has one row", () => {
  const numbers = order.map(({ number }) => Number.parseInt(number, 10));
  assert.deepEqual(
    numbers,
    numbers.toSorted((a, b) => a - b),
  );
  assert.equal(new Set(order.map(({ number }) => number)).size, 28);
});

/** Those that make a distribution of a row that had none, as in transformers. */
const makesScores = /^(forced_|remove_invalid_values|watermarking_config .*debug_mode)/;

test("a row in which all is banned stays so, and NaN is never hidden", () => {
  const banned = new Float32Array(vocabSize).fill(-Infinity);
  const spoiled = record.rows.get("plain")!.slice();
  spoiled[40] = NaN;
  for (const given of parameters.filter((each) => !makesScores.test(nameOf(each)))) {
    const pipeline = pipelineOf({ ...given, guidance_scale: 1 });
    for (const tokens of [
      [1, 2],
      [1, 2, 3, 4, 3],
    ]) {
      const [first, second] = [banned.slice(), spoiled.slice()];
      processScores(pipeline, first, tokens);
      assert.deepEqual(first, banned, JSON.stringify(given));
      processScores(pipeline, second, tokens);
      assert.ok(second.some(Number.isNaN), JSON.stringify(given));
    }
  }
});

test("remove_invalid_values leaves probability 0 to what was banned", () => {
  const row = Float32Array.from([1, -Infinity, NaN]);
  for (const each of pipelineOf({ remove_invalid_values: true })) {
    if (each.name === "remove_invalid_values") each.process(row, [0, 0]);
  }
  assert.equal(expFloat32(Math.fround(row[1]! - 1)), 0);
  assert.equal(row[2], 0);
});

test("forEachContinuation finds what comparing every window finds", () => {
  const text = fc.array(fc.nat({ max: 2 }), { maxLength: 40 });
  fc.assert(
    fc.property(text, text, fc.integer({ min: 1, max: 6 }), fc.boolean(), (other, tokens, size, isSame) => {
      const source = isSame ? tokens : other;
      const expected: number[] = [];
      for (let start = 0; start + size <= source.length && tokens.length >= size - 1; start++) {
        const prefix = source.slice(start, start + size - 1).join();
        if (prefix === tokens.slice(tokens.length - size + 1).join())
          expected.push(source[start + size - 1]!);
      }
      const found: number[] = [];
      forEachContinuation(source, source.length, tokens, size, (id) => found.push(id));
      assert.deepEqual(found, expected);
    }),
    { numRuns: 2000 },
  );
});

function softmaxOf(row: Float32Array): Float32Array | null {
  const best = Math.max(...row);
  if (!Number.isFinite(best)) return null;
  const weights = row.map((each) => expFloat32(Math.fround(each - best)));
  const sum = Math.fround(weights.reduce((total, weight) => total + weight, 0));
  return weights.map((weight) => weight / sum);
}

const anyRow = fc.array(score, { minLength: 1, maxLength: 60 }).map((values) => Float32Array.from(values));
const minKeepCounts = fc.integer({ min: 1, max: 4 });

test("min_p equals its definition by probabilities", () => {
  const values = fc.oneof(
    fc.double({ min: 0, max: 1, noNaN: true }),
    fc.constantFrom(0, 1e-40, 0.25, Math.exp(-1), Math.exp(-0.5), 1),
  );
  fc.assert(
    fc.property(anyRow, values, minKeepCounts, (row, minP, minKeepCount) => {
      const expected = row.slice();
      const probabilities = softmaxOf(row);
      const least = Math.fround(Math.fround(minP) * Math.max(...(probabilities ?? [])));
      const best = [...row.keys()].sort((a, b) => (row[a] === row[b] ? a - b : row[b]! - row[a]!));
      for (const [rank, id] of best.entries()) {
        if (probabilities !== null && rank >= minKeepCount && probabilities[id]! < least) {
          expected[id] = -Infinity;
        }
      }
      createMinP(minP, minKeepCount, scratch).process(row, []);
      assert.deepEqual(row, expected);
    }),
    { numRuns: 1000 },
  );
});

test("typical_p equals its definition by sorting", () => {
  const values = fc.oneof(
    fc.double({ min: 0.001, max: 0.999, noNaN: true }),
    fc.constantFrom(0.5, 0.75, 1 - 2 ** -53),
  );
  fc.assert(
    fc.property(anyRow, values, minKeepCounts, (row, typicalP, minKeepCount) => {
      const expected = typicalBySorting(row, typicalP, minKeepCount);
      createTypicalP(typicalP, minKeepCount, scratch).process(row, []);
      assert.deepEqual(row, expected);
    }),
    { numRuns: 1000 },
  );
});

function typicalBySorting(row: Float32Array, typicalP: number, minKeepCount: number): Float32Array {
  const probabilities = softmaxOf(row);
  if (probabilities === null) return row.slice();
  const best = Math.max(...row);
  const sum = row.reduce((total, each) => total + expFloat32(Math.fround(each - best)), 0);
  const logSum = Math.fround(Math.log(Math.fround(sum)));
  const logs = row.map((each) => Math.fround(each - best) - logSum);
  const entropy = logs.reduce(
    (total, log, id) =>
      log === -Infinity ? total : total - (log * expFloat32(Math.fround(row[id]! - best))) / Math.fround(sum),
    0,
  );
  const distances = logs.map((log) => Math.abs(Math.fround(-log - Math.fround(entropy))));
  const ordered = [...row.keys()].sort((a, b) =>
    distances[a] === distances[b] ? a - b : distances[a]! - distances[b]!,
  );
  let mass = 0;
  const last = ordered.findIndex((id) => {
    mass += probabilities[id]!;
    return !(Math.fround(mass) < Math.fround(typicalP));
  });
  const greatest = distances[ordered.at(last)!]!;
  const result = row.slice();
  for (const [rank, id] of ordered.entries()) {
    if (rank >= minKeepCount && distances[id]! > greatest) result[id] = -Infinity;
  }
  return result;
}
