// The fast lane picks the token that the plain lane picks, whatever the row and the settings.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { createPipeline } from "../logits/pipeline.ts";
import type { LogitsProcessor } from "../logits/processor.ts";
import { createSelectionKernels } from "../logits/selection-kernels.ts";
import { createPlainLane } from "../testing/plain-lane.ts";
import { createScoreRow, createSequence, spreads } from "../testing/score-rows.ts";
import { validGeneration } from "../testing/valid-generation.ts";
import type { GenerationSettings } from "../valid-generation.ts";
import { createFastLane } from "./fast-lane.ts";

/** As many blocks as a shortlist of the 100 best needs. */
const vocabSize = 4000;
const kernels = createSelectionKernels(vocabSize);
const scores = new Float32Array(vocabSize);
const scratch = new Float64Array(vocabSize);

function assertSamePicks(
  settings: GenerationSettings,
  pipeline: readonly LogitsProcessor[],
  row: Float32Array,
  tokens: readonly number[],
): void {
  const draws = [0, 0.1, 0.5, 0.9, 1 - 2 ** -53];
  const options = { settings, pipeline, scratch, uniformAt: (sequence: number) => draws[sequence]! };
  const plain = createPlainLane({ ...options, scores });
  const fast = createFastLane({ ...options, kernels });
  scores.set(row);
  kernels.scores.set(row);
  plain.process(tokens);
  fast.process(tokens);
  for (const sequence of draws.keys()) {
    assert.equal(fast.pick(sequence, 0), plain.pick(sequence, 0), `draw ${draws[sequence]}`);
  }
}

const rows = fc.oneof(
  fc
    .tuple(fc.constantFrom(...spreads), fc.integer())
    .map(([spread, seed]) => createScoreRow(vocabSize, spread, seed)),
  fc.float32Array({ minLength: vocabSize, maxLength: vocabSize }),
  fc.float32Array({ minLength: vocabSize, maxLength: vocabSize, noNaN: true, noDefaultInfinity: true }),
);
/** One of each processor and warper, so that each meets the shortlist. */
const others: fc.Arbitrary<Partial<GenerationSettings>> = fc.record(
  {
    sequenceBias: fc.constant([
      { ids: [3], bias: 8 },
      { ids: [1, 4], bias: -3 },
    ]),
    encoderRepetitionPenalty: fc.constantFrom(0.5, 1.3),
    presencePenalty: fc.constantFrom(-2, 1),
    frequencyPenalty: fc.constantFrom(-2, 1),
    noRepeatNgramSize: fc.constantFrom(1, 2),
    encoderNoRepeatNgramSize: fc.constantFrom(1, 2),
    badWords: fc.constant([[5], [6, 7]]),
    minNewTokenCount: fc.constant(1000),
    forcedEosTokenIds: fc.constant([2, 9]),
    removeInvalidValues: fc.constant(true),
    exponentialDecay: fc.constant({ startIndex: 1, factor: 1.5 }),
    suppressedTokenIds: fc.constant([0, 1, 2]),
    beginSuppressedTokenIds: fc.constant([3, 4]),
    topH: fc.constantFrom(0.1, 0.5, 0.9, 1),
    minP: fc.constantFrom(0, 0.05, 0.3, 1),
    typicalP: fc.constantFrom(0.1, 0.5, 0.95),
    epsilonCutoff: fc.constantFrom(0.001, 0.02, 0.3),
    etaCutoff: fc.constantFrom(0.001, 0.02, 0.3),
    watermark: fc.constantFrom(
      {
        kind: "kgw" as const,
        greenlistRatio: 0.5,
        bias: 6,
        hashingKey: 15485863,
        seedingScheme: "lefthash" as const,
        contextWidth: 1,
      },
      {
        kind: "synthid" as const,
        ngramLength: 3,
        keys: [654, 400, 836],
        contextHistorySize: 4,
        samplingTableSeed: 0,
        samplingTableSize: 256,
        skipFirstNgramCalls: false,
        debugMode: false,
      },
    ),
    renormalizeLogits: fc.constant(true),
  },
  { requiredKeys: [] },
);
/** Most of them off: a pipeline of all hardly ever comes near a shortlist. */
const fewOthers = fc
  .tuple(others, fc.array(fc.nat(), { minLength: 1, maxLength: 3 }))
  .map(([given, picks]) => {
    const entries = Object.entries(given);
    return Object.fromEntries(
      picks.flatMap((pick) => (entries.length === 0 ? [] : [entries[pick % entries.length]!])),
    );
  });
const parameters = fc.record(
  {
    do_sample: fc.boolean(),
    temperature: fc.constantFrom(0.1, 0.7, 1, 1.3, 1e-40, 1e30),
    top_k: fc.oneof(fc.constantFrom(0, 1, 50, vocabSize), fc.integer({ min: 1, max: vocabSize })),
    top_p: fc.oneof(fc.double({ min: 0, max: 1, noNaN: true }), fc.constantFrom(0, 0.5, 0.9, 1 - 2 ** -53)),
    repetition_penalty: fc.constantFrom(0.5, 1, 1.1, 5),
  },
  { requiredKeys: ["do_sample"] },
);
const histories = fc.array(fc.nat({ max: vocabSize - 1 }), { maxLength: 40 });

test("the fast lane picks what the plain lane picks", () => {
  fc.assert(
    fc.property(rows, parameters, fewOthers, histories, (row, given, besides, tokens) => {
      const promptTokenCount = Math.min(2, tokens.length);
      const settings = { ...validGeneration(given, 1), ...besides, promptTokenCount, endTokenIds: [2, 9] };
      const pipeline = createPipeline(settings, { vocabSize, minKeepCount: 1, scratch });
      assertSamePicks(settings, pipeline, row, tokens);
    }),
    { numRuns: 700 },
  );
});

test("every warper after top_k or top_h acts on the shortlist alone", () => {
  const settings = { ...validGeneration({ do_sample: true, temperature: 0.7, top_k: 20, top_p: 0.9 }, 1) };
  const warped = { minP: 0.01, typicalP: 0.9, epsilonCutoff: 0.001, etaCutoff: 0.001 };
  for (const besides of [{}, { topH: 0.9 }, { topH: 0.9, topK: null }, { minP: 0.05 }, warped]) {
    const given = { ...settings, ...besides, renormalizeLogits: true };
    const pipeline = createPipeline(given, { vocabSize, minKeepCount: 1, scratch });
    const lengths: number[] = [];
    const watched = pipeline.map((watchee): LogitsProcessor => ({
      name: watchee.name,
      process(row, tokens) {
        lengths.push(row.length);
        watchee.process(row, tokens);
      },
    }));
    kernels.scores.set(createScoreRow(vocabSize, "flat", 3));
    const options = { settings: given, pipeline: watched, kernels, scratch, uniformAt: () => 0.5 };
    createFastLane(options).process([]);
    assert.ok(
      lengths.every((length) => length < vocabSize / 4),
      `${pipeline.map(({ name }) => name).join()}: ${lengths.join()}`,
    );
    assertSamePicks(given, pipeline, createScoreRow(vocabSize, "peaked", 4), []);
  }
});

test("a processor that the fast lane does not know acts on the whole row", () => {
  const settings = validGeneration({ do_sample: true, top_k: 5, temperature: 0.5 }, 1);
  const known = createPipeline(settings, { vocabSize, minKeepCount: 1, scratch });
  // It makes likely what top_k removed, which a shortlist does not have.
  const revive: LogitsProcessor = { name: "revive", process: (row) => void row.fill(9, 0, 300) };
  const next = createSequence(7);
  for (const pipeline of [
    [...known, revive],
    [revive, ...known],
  ]) {
    for (let run = 0; run < 20; run++) {
      assertSamePicks(settings, pipeline, createScoreRow(vocabSize, "flat", next() * 2 ** 31), []);
    }
  }
});
