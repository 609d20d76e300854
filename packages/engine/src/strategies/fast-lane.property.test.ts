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

const vocabSize = 1000;
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
    fc.property(rows, parameters, histories, (row, given, tokens) => {
      const settings = validGeneration(given, 1);
      const pipeline = createPipeline(settings, { vocabSize, minKeepCount: 1, scratch });
      assertSamePicks(settings, pipeline, row, tokens);
    }),
    { numRuns: 600 },
  );
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
