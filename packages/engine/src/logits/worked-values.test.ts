// Values that can be followed by hand: section 2.3 of the specification, and what no record of transformers can have.

import assert from "node:assert/strict";
import { test } from "node:test";
import { readRecordedProcessors, settingsOf } from "../testing/recorded-processors.ts";
import { createBadWords } from "./bad-words-ids.ts";
import { createDiversityPenalty } from "./diversity-penalty.ts";
import { createEpsilonCutoff } from "./epsilon-cutoff.ts";
import { createEtaCutoff } from "./eta-cutoff.ts";
import { createExponentialDecay } from "./exponential-decay-length-penalty.ts";
import { createFrequencyPenalty } from "./frequency-penalty.ts";
import { guideScores } from "./guidance-scale.ts";
import { createKgwWatermark } from "./kgw-watermark.ts";
import { createMersenneTwister, fillPermutation } from "./mersenne-twister.ts";
import { createMinP } from "./min-p.ts";
import { createPipeline, processScores } from "./pipeline.ts";
import { createPresencePenalty } from "./presence-penalty.ts";
import type { LogitsProcessor } from "./processor.ts";
import { createRepetitionPenalty } from "./repetition-penalty.ts";
import { createSequenceBias } from "./sequence-bias.ts";
import { createSynthIdWatermark } from "./synthid-watermark.ts";
import { createTopH } from "./top-h.ts";
import { createTopK } from "./top-k.ts";
import { createTopP } from "./top-p.ts";
import { createTypicalP } from "./typical-p.ts";

const worked = [2, 1, 0.5, 0.5, -1, -3];
const scratch = new Float64Array(64);

function run(processor: LogitsProcessor, scores: readonly number[], tokens: readonly number[] = []) {
  const row = Float32Array.from(scores);
  processor.process(row, tokens);
  return [...row];
}

function keptOf(processor: LogitsProcessor): number[] {
  const scores = run(processor, worked);
  return [...scores.keys()].filter((id) => scores[id]! > -Infinity);
}

const warpers: readonly (readonly [
  string,
  (value: number, minKeepCount: number) => LogitsProcessor,
  ...(readonly [number, readonly number[], number?])[],
])[] = [
  ["top_k", createTopK, [3, [0, 1, 2, 3]]],
  [
    "top_p",
    (value, minKeepCount) => createTopP(value, minKeepCount, scratch),
    [0, [0]],
    [0.5, [0]],
    [0.6, [0, 1]],
    [0.7, [0, 1]],
    [0.8, [0, 1, 3]],
    [0.9, [0, 1, 2, 3]],
    [0.95, [0, 1, 2, 3]],
    [0.1, [0, 1], 2],
  ],
  [
    "min_p",
    (value, minKeepCount) => createMinP(value, minKeepCount, scratch),
    [0, [0, 1, 2, 3, 4, 5]],
    [0.1, [0, 1, 2, 3]],
    [0.2, [0, 1, 2, 3]],
    [0.3, [0, 1]],
    [0.4, [0]],
    [0.4, [0, 1, 2], 3],
  ],
  [
    "typical_p",
    (value, minKeepCount) => createTypicalP(value, minKeepCount, scratch),
    [0.1, [1]],
    [0.2, [0, 1]],
    [0.5, [0, 1]],
    [0.9, [0, 1, 2, 3]],
    [0.1, [0, 1, 2], 3],
  ],
  [
    "epsilon_cutoff",
    (value, minKeepCount) => createEpsilonCutoff(value, minKeepCount, scratch),
    [0.1, [0, 1, 2, 3]],
    [0.2, [0]],
    [0.6, [0]],
    [0.6, [0, 1, 2, 3], 3],
  ],
  [
    "eta_cutoff",
    (value, minKeepCount) => createEtaCutoff(value, minKeepCount, scratch),
    [0.1, [0, 1, 2, 3]],
    [0.3, [0, 1]],
    [0.3, [0, 1, 2, 3], 4],
  ],
  ["top_h", createTopH, [0.2, [0]], [0.4, [0]], [0.6, [0, 1]], [0.9, [0, 1, 2]]],
];

for (const [name, create, ...cases] of warpers) {
  test(`${name} leaves the worked ids`, () => {
    for (const [value, ids, minKeepCount = 1] of cases) {
      assert.deepEqual(keptOf(create(value, minKeepCount)), ids, `${value}, at least ${minKeepCount}`);
    }
  });
}

test("typical_p may remove the best token", () => {
  assert.ok(!keptOf(createTypicalP(0.1, 1, scratch)).includes(0));
});

test("repetition_penalty, exponential decay and guidance give the worked scores", () => {
  assert.deepEqual(run(createRepetitionPenalty(1.5, 6), worked, [0, 4]), [
    Math.fround(2 / 1.5),
    1,
    0.5,
    0.5,
    -1.5,
    -3,
  ]);
  const decay = createExponentialDecay({ startIndex: 1, factor: 1.5 }, 1, [4]);
  assert.equal(run(decay, worked, [0, 0, 0, 0])[4], 0.25);
  assert.equal(run(decay, worked, [0, 0])[4], -1, "not before startIndex + 1 new tokens");
  const scores = Float32Array.from([0, Math.log(3)]);
  guideScores(scores, Float32Array.from([0, 0]), 1.5);
  // c = ln 1/4 and ln 3/4, u = ln 1/2.
  const expected = [1.5 * Math.log(1 / 4), 1.5 * Math.log(3 / 4)].map((given) => given - 0.5 * Math.log(0.5));
  for (const [id, value] of expected.entries()) assert.ok(Math.abs(scores[id]! - value) < 1e-6);
});

test("presence_penalty counts a generated token once, frequency_penalty each time; neither counts the prompt", () => {
  const tokens = [0, 0, 1, 2, 2, 2, 1];
  assert.deepEqual(run(createPresencePenalty(0.5, 3, 6), worked, tokens), [2, 0.5, 0, 0.5, -1, -3]);
  assert.deepEqual(run(createFrequencyPenalty(0.5, 3, 6), worked, tokens), [2, 0.5, -1, 0.5, -1, -3]);
  assert.deepEqual(run(createFrequencyPenalty(-1, 3, 6), worked, tokens.slice(0, 3)), worked);
});

test("of equal sequences the last bias counts, and several that end in one token add up", () => {
  const bias = createSequenceBias([
    { ids: [1], bias: 9 },
    { ids: [5, 1], bias: 2 },
    { ids: [4, 5, 1], bias: 4 },
    { ids: [1], bias: 1 },
  ]);
  assert.equal(run(bias, worked, [4, 5])[1], 1 + 1 + 2 + 4);
  assert.equal(run(bias, worked, [5])[1], 1 + 1 + 2);
  assert.equal(run(bias, worked, [5, 4])[1], 1 + 1);
  assert.equal(run(bias, worked, [])[1], 1 + 1);
});

test("a bad word of several tokens needs all the others, in order and at the end", () => {
  const words = createBadWords([[4, 5, 1], [3]]);
  const banned = (tokens: readonly number[]) => run(words, worked, tokens)[1] === -Infinity;
  assert.deepEqual([[4, 5], [0, 4, 5], [5], [5, 4], [4, 5, 0]].map(banned), [
    true,
    true,
    false,
    false,
    false,
  ]);
  assert.equal(run(words, worked)[3], -Infinity);
});

test("a selfhash watermark of which no candidate is green changes nothing", () => {
  const processor = createKgwWatermark(
    {
      kind: "kgw",
      greenlistRatio: 0.01,
      bias: 2,
      hashingKey: 15485863,
      seedingScheme: "selfhash",
      contextWidth: 1,
    },
    6,
  );
  assert.deepEqual(run(processor, worked, [1, 2]), worked);
});

test("lefthash marks the ids of transformers on a vocabulary of 32,000", () => {
  const settings = { greenlistRatio: 0.25, bias: 2, hashingKey: 15485863, contextWidth: 1 };
  const processor = createKgwWatermark({ kind: "kgw", seedingScheme: "lefthash", ...settings }, 32_000);
  for (const [last, first] of [
    [1, [958, 17083, 30553, 27350, 1329]],
    [15043, [8840, 17910, 11067, 3512, 8433]],
    [31999, [10511, 24288, 8406, 1661, 12440]],
  ] as const) {
    const row = new Float32Array(32_000);
    processor.process(row, [7, last]);
    for (const id of first) assert.equal(row[id], 2, `${id} after ${last}`);
    assert.equal(row.filter((score) => score !== 0).length, 8000);
  }
  const table = new Int32Array(1_000_003);
  fillPermutation(table, 4, createMersenneTwister(15485863));
  assert.deepEqual([...table.subarray(0, 4)], [138280, 994103, 467886, 915329]);
});

test("SynthID's first bits are those of transformers", () => {
  const { synthid_bits: recorded } = readRecordedProcessors().watermarks;
  const keys = [654, 400, 836, 123, 340, 443, 597, 160, 57];
  assert.deepEqual(recorded["15043"], [1, 0, 0, 1, 1, 1, 0, 0, 0]);
  // With one key, of two equally likely tokens the one with bit 1 takes all.
  for (const [depth, key] of keys.entries()) {
    const settings = {
      kind: "synthid" as const,
      ngramLength: 5,
      keys: [key],
      contextHistorySize: 1024,
      samplingTableSeed: 0,
      samplingTableSize: 65536,
      skipFirstNgramCalls: false,
      debugMode: false,
    };
    const [zero, one] = run(createSynthIdWatermark(settings, 1, scratch), [1, 1], [9]);
    const [bitOfZero, bitOfOne] = [recorded["0"]![depth]!, recorded["1"]![depth]!];
    assert.equal(Math.sign(one! - zero!), Math.sign(bitOfOne - bitOfZero), `key ${key}`);
  }
});

test("presence_penalty acts after repetition_penalty", () => {
  const given = { repetition_penalty: 2, presence_penalty: 0.5, max_length: 9 };
  const settings = settingsOf(given, 1);
  const row = Float32Array.from(worked);
  processScores(createPipeline(settings, { vocabSize: 6, minKeepCount: 1, scratch }), row, [5, 0]);
  assert.equal(row[0], 2 / 2 - 0.5);
});

test("top_h looks at no more than the best 100", () => {
  const row = Float32Array.from({ length: 300 }, (_, id) => id / 1000);
  createTopH(1).process(row, []);
  const kept = row.filter((score) => score > -Infinity).length;
  assert.ok(kept > 95 && kept <= 100, `${kept}`);
});

test("diversity_penalty takes its value once for each beam of earlier groups that chose the token", () => {
  const earlier: number[] = [];
  const processor = createDiversityPenalty(0.1, earlier);
  assert.deepEqual(run(processor, [1, 2, 3]), [1, 2, 3]);
  earlier.push(1, 2, 1);
  const taken = Math.fround(Math.fround(0.1) * 2);
  assert.deepEqual(run(processor, [1, 2, 3]), [1, Math.fround(2 - taken), Math.fround(3 - Math.fround(0.1))]);
  assert.deepEqual(run(processor, [-Infinity, -Infinity, 3])[1], -Infinity);
});
