// Beam sampling gives sequences as often as transformers does: by chi-square over seeds, with a bound that one who looks
// at the scores of what was drawn, not at the order of the draws, fails.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { createEngine } from "../../engine.ts";
import { createByteTokenizer } from "../../testing/byte-tokenizer.ts";
import { createFakeModel } from "../../testing/fake-model.ts";
import { searchNaively } from "../../testing/naive-beams.ts";
import { validGeneration } from "../../testing/valid-generation.ts";
import type { Vocabulary } from "../../vocabulary.ts";
import type { BeamCandidate } from "./beam.ts";

/** By scripts/oracle/record_beam_sampling.py; sequences and histories are new ids joined by commas. */
interface SamplingRecord {
  readonly prompt: readonly number[];
  readonly vocabulary_size: number;
  readonly ends: readonly number[];
  readonly length: number;
  readonly runs: number;
  readonly logits: Readonly<Record<string, readonly number[]>>;
  readonly searches: readonly {
    readonly parameters: Readonly<Record<string, unknown>>;
    readonly counts: Readonly<Record<string, number>>;
  }[];
}

const url = new URL("../../../test-data/oracle/beam-sampling.json", import.meta.url);
const record = JSON.parse(readFileSync(url, "utf8")) as SamplingRecord;
const { prompt, vocabulary_size: vocabSize } = record;
const seedCount = 2_500;

const vocabulary: Vocabulary = {
  ...createByteTokenizer(),
  tokenCount: vocabSize,
  bytesOf: (id) => Uint8Array.of(97 + id),
};
const logits = (history: readonly number[]) => record.logits[history.slice(prompt.length).join()]!;

function generationOf(parameters: Readonly<Record<string, unknown>>, seed: number) {
  const sampled = { do_sample: true, top_k: 0, max_new_tokens: record.length, pad_token_id: 0 };
  const wire = { ...sampled, eos_token_id: record.ends, seed, ...parameters };
  return validGeneration(wire, prompt.length, { vocabSize });
}

async function countThroughEngine(parameters: Readonly<Record<string, unknown>>) {
  const engine = createEngine({ runner: createFakeModel({ vocabSize, logits }), vocabulary });
  engine.run().catch(() => {});
  const counts = new Map<string, number>();
  for (let seed = 0; seed < seedCount; seed++) {
    const { sequences } = await engine.submit({
      id: `seed ${seed}`,
      promptIds: prompt,
      generation: generationOf(parameters, seed),
      owner: "test",
      priority: 0,
      deadlineAtMs: null,
    }).result;
    add(counts, sequences[0]!.ids);
  }
  await engine.stop({ drain: true });
  return counts;
}

function countSortedByScore(parameters: Readonly<Record<string, unknown>>) {
  const byScore = (candidates: readonly BeamCandidate[]) =>
    candidates.toSorted((one, other) => other.score - one.score);
  const counts = new Map<string, number>();
  for (let seed = 0; seed < seedCount; seed++) {
    const settings = generationOf(parameters, seed);
    const [best] = searchNaively({ logits, vocabSize, vocabulary }, settings, prompt, seed, byScore);
    add(counts, best!.ids);
  }
  return counts;
}

function add(counts: Map<string, number>, ids: readonly number[]): void {
  counts.set(ids.join(), (counts.get(ids.join()) ?? 0) + 1);
}

/** Chi-square of two samples, what both have rarely taken together, and what 1 in a million of equals would exceed. */
function compare(counts: ReadonlyMap<string, number>, recorded: Readonly<Record<string, number>>) {
  const bins: [number, number][] = [];
  const rest: [number, number] = [0, 0];
  for (const key of new Set([...counts.keys(), ...Object.keys(recorded)])) {
    const pair: [number, number] = [counts.get(key) ?? 0, recorded[key] ?? 0];
    if (pair[0] + pair[1] >= 50) bins.push(pair);
    else for (const side of [0, 1] as const) rest[side] += pair[side];
  }
  if (rest[0] + rest[1] > 0) bins.push(rest);
  const [left, right] = [Math.sqrt(record.runs / seedCount), Math.sqrt(seedCount / record.runs)];
  const chiSquare = bins.reduce((sum, [a, b]) => sum + (left * a - right * b) ** 2 / (a + b), 0);
  const freedom = bins.length - 1;
  // By the approximation of Wilson and Hilferty.
  const part = 2 / (9 * freedom);
  return { chiSquare, bound: freedom * (1 - part + 4.7534 * Math.sqrt(part)) ** 3, freedom };
}

for (const { parameters, counts } of record.searches) {
  test(`beams are drawn as often as by transformers, ${JSON.stringify(parameters)}`, async () => {
    const right = compare(await countThroughEngine(parameters), counts);
    assert.ok(right.freedom >= 10);
    assert.ok(right.chiSquare <= right.bound, `χ² ${right.chiSquare} is above ${right.bound}`);
    const wrong = compare(countSortedByScore(parameters), counts);
    assert.ok(wrong.chiSquare > wrong.bound, `χ² ${wrong.chiSquare} of the wrong order is not above`);
  });
}
