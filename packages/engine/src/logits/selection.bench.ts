// `npm run bench:selection`: what choosing a token out of 128,256 costs in the plain and in the fast lane, in turns, the
// copy of the row into place included. Microseconds; the lower quartile is nearer to a quiet machine than the median.

import { createFastLane } from "../strategies/fast-lane.ts";
import type { TokenPicker } from "../strategies/token-by-token.ts";
import { createPlainLane } from "../testing/plain-lane.ts";
import { createScoreRow, createSequence } from "../testing/score-rows.ts";
import { validGeneration } from "../testing/valid-generation.ts";
import { logSoftmax } from "./log-softmax.ts";
import { createPipeline } from "./pipeline.ts";
import { createSelectionKernels } from "./selection-kernels.ts";
import { logSoftmaxTopK, topScores } from "./top-scores.ts";

const vocabSize = 128_256;
const warmUpCount = 30;
const roundCount = 200;

const kernels = createSelectionKernels(vocabSize);
const scores = new Float32Array(vocabSize);
const scratch = new Float64Array(vocabSize);
const next = createSequence(1);
const tokens = Array.from({ length: 512 }, () => Math.floor(next() * vocabSize));

const parameters: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  greedy: {},
  "top-k 50": { do_sample: true },
  "penalty, temperature, top-k 50, top-p 0.9": {
    do_sample: true,
    repetition_penalty: 1.1,
    temperature: 0.8,
    top_p: 0.9,
  },
  "top-p 0.95 alone": { do_sample: true, top_k: 0, top_p: 0.95 },
};

interface Lanes {
  readonly plain: (row: Float32Array) => unknown;
  readonly fast: (row: Float32Array) => unknown;
}

function lanesOf(given: Readonly<Record<string, unknown>>): Lanes {
  const settings = validGeneration(given, 1);
  const pipeline = createPipeline(settings, { vocabSize, minKeepCount: 1, scratch });
  const options = { settings, pipeline, scratch, uniformAt: () => 0.37 };
  const choose = (picker: TokenPicker, place: Float32Array) => (row: Float32Array) => {
    place.set(row);
    picker.process(tokens);
    return picker.pick(0, 0);
  };
  return {
    plain: choose(createPlainLane({ ...options, scores }), scores),
    fast: choose(createFastLane({ ...options, kernels }), kernels.scores),
  };
}

const beamLanes: Lanes = {
  plain: (row) => {
    scores.set(row);
    logSoftmax(scores);
    return JSON.stringify(topScores(scores, 12, -3.5));
  },
  fast: (row) => {
    kernels.scores.set(row);
    return JSON.stringify(logSoftmaxTopK(kernels, 12, -3.5));
  },
};

function measure(name: string, { plain, fast }: Lanes, row: Float32Array): void {
  const times = { plain: [] as number[], fast: [] as number[] };
  for (let round = -warmUpCount; round < roundCount; round++) {
    const started = performance.now();
    const expected = plain(row);
    const between = performance.now();
    const actual = fast(row);
    const ended = performance.now();
    if (actual !== expected) throw new Error(`${name}: ${String(actual)} instead of ${String(expected)}`);
    if (round < 0) continue;
    times.plain.push((between - started) * 1000);
    times.fast.push((ended - between) * 1000);
  }
  const cells = [times.plain, times.fast].flatMap((lane) => {
    const sorted = lane.toSorted((a, b) => a - b);
    return [sorted[roundCount / 2], sorted[roundCount / 4]].map((time) => time!.toFixed(0).padStart(8));
  });
  console.log(`${name.padEnd(52)}${cells.join("")}`);
}

console.log(`${"".padEnd(52)}   plain     25 %    fast     25 %`);
for (const spread of ["flat", "peaked"] as const) {
  const row = createScoreRow(vocabSize, spread, 1);
  for (const [name, given] of Object.entries(parameters)) measure(`${spread}: ${name}`, lanesOf(given), row);
  measure(`${spread}: log-softmax and best 12`, beamLanes, row);
}
