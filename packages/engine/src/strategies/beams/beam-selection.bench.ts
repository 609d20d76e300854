// `npm run bench:beams`: what choosing the next beams out of rows of 128,256 costs in one step, everything between the
// decode and the outcomes, beside sequences that are chosen one by one. Rows are random and new in each step, so that
// beams change places. Microseconds; the lower quartile is nearer to a quiet machine than the median.

import { parseArgs } from "node:util";
import type { StepOutputs } from "../../model-runner.ts";
import type { Outcome } from "../../scheduler/outcome.ts";
import { createByteTokenizer } from "../../testing/byte-tokenizer.ts";
import { createScoreRow, createSequence, type Spread } from "../../testing/score-rows.ts";
import { validGeneration } from "../../testing/valid-generation.ts";
import type { GenerationSettings } from "../../valid-generation.ts";
import { createStrategy, createStrategyWorkspace } from "../create-strategy.ts";
import type { StepConditions } from "../strategy.ts";

const vocabSize = 128_256;
/** As many end tokens as Llama 3 has: a step ranks 16 candidates for 4 beams. */
const endTokenIds = [128_001, 128_008, 128_009];
const promptTokenCount = 128;
const newTokenCount = 64;
const warmUpCount = 1;
const rowCount = 16;

const { values } = parseArgs({
  options: {
    "decode-ms": { type: "string", default: "150" },
    generations: { type: "string", default: "5" },
  },
});
/** One step of the 1B shape with 4 sequences, two threads. */
const decodeMs = Number(values["decode-ms"]);
const generationCount = Number(values.generations);

const warped = { repetition_penalty: 1.05, temperature: 0.1, top_k: 40, top_p: 0.75 };
const contenders: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  "1 sequence, greedy": {},
  "4 sequences, top-k 50": { do_sample: true, num_return_sequences: 4 },
  "4 beams": { num_beams: 4 },
  "4 beams, penalty": { num_beams: 4, repetition_penalty: 1.05 },
  "4 beams, sampling: top-k 50": { num_beams: 4, do_sample: true },
  "4 beams, sampling: penalty, temperature, top-k 40, top-p": { num_beams: 4, do_sample: true, ...warped },
  "4 beams, sampling: no warper": { num_beams: 4, do_sample: true, top_k: 0 },
};

const workspace = createStrategyWorkspace(vocabSize, createByteTokenizer(), 512);
const next = createSequence(1);
const prompt = Array.from({ length: promptTokenCount }, () => Math.floor(next() * vocabSize));
const conditions: StepConditions = {
  nowMs: 0,
  forecast: {
    shape: { tokenCount: 4, attendedCount: 4 * promptTokenCount, rowCount: 4 },
    predictMs: () => null,
  },
};

/** Sequences as the scheduler keeps them, without cells. */
function follow(sequences: Map<number, number[]>, outcomes: readonly Outcome[]): void {
  for (const outcome of outcomes) {
    if (outcome.kind === "append") sequences.get(outcome.sequence)?.push(...outcome.tokens);
    else if (outcome.kind === "fork")
      sequences.set(outcome.target, [...(sequences.get(outcome.source) ?? [])]);
    else if (outcome.kind === "release" || outcome.kind === "retire") sequences.delete(outcome.sequence);
  }
}

/** Microseconds of each step but the first, which has one row. */
function generate(settings: GenerationSettings, rows: readonly Float32Array[], seed: number): number[] {
  const strategy = createStrategy(settings, prompt, seed, 0, workspace);
  const sequences = new Map([[0, [...prompt]]]);
  const times: number[] = [];
  for (let step = 0; sequences.size > 0; step++) {
    const ready = [...sequences]
      .sort(([a], [b]) => a - b)
      .map(([id, tokens], firstRow) => ({
        id,
        tokens,
        firstRow,
        rowCount: 1,
        firstPosition: tokens.length - 1,
      }));
    const outputs: StepOutputs = {
      rowCount: ready.length,
      logits: (row) => rows[(seed + step * ready.length + row) % rows.length]!,
      embedding: () => new Float32Array(0),
    };
    const started = performance.now();
    const chosen = strategy.choose({ id: "", admittedAtMs: 0, sequences: ready }, outputs, conditions);
    const took = 1_000 * (performance.now() - started);
    if (step > 0) times.push(took);
    if (chosen instanceof Promise) throw new Error("Beams wait for nobody.");
    if (chosen.kind === "fail") throw new Error(chosen.detail);
    follow(sequences, chosen.outcomes);
  }
  return times;
}

function measure(name: string, given: Readonly<Record<string, unknown>>, spread: Spread): void {
  const parameters = { ...given, max_new_tokens: newTokenCount };
  const limits = { vocabSize, contextLength: 4_096 };
  const settings = { ...validGeneration(parameters, promptTokenCount, limits), endTokenIds };
  const rows = Array.from({ length: rowCount }, (_, seed) => createScoreRow(vocabSize, spread, seed));
  // Rows of end tokens are zero in weights of our shapes: as a rule none ends, and all steps are alike.
  const times = Array.from({ length: warmUpCount + generationCount }, (_, seed) =>
    generate(settings, rows, seed),
  )
    .slice(warmUpCount)
    .flat()
    .toSorted((a, b) => a - b);
  const [median = Number.NaN, quartile = Number.NaN] = [2, 4].map(
    (part) => times[Math.floor(times.length / part)],
  );
  const share = `${((100 * quartile) / 1_000 / decodeMs).toFixed(2)} %`;
  const cells = [median.toFixed(0), quartile.toFixed(0), share].map((cell) => cell.padStart(9));
  console.log(`${`${spread}: ${name}`.padEnd(66)}${cells.join("")}`);
}

console.log(`${"µs per step, V = 128,256".padEnd(66)}   median     25 %  of ${decodeMs} ms`);
for (const spread of ["flat", "peaked"] as const)
  for (const [name, given] of Object.entries(contenders)) measure(name, given, spread);
