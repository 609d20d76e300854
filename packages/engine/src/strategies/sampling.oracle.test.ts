// The engine draws from the distribution that transformers samples from: by chi-square over 2,500 seeded draws, with
// a bound that the wrong order of any two neighbouring warpers fails.

import assert from "node:assert/strict";
import { test } from "node:test";
import { createEngine } from "../engine.ts";
import { createByteTokenizer } from "../testing/byte-tokenizer.ts";
import { createFakeModel } from "../testing/fake-model.ts";
import {
  readDistributions,
  type Distribution,
  type RecordedCase,
} from "../testing/recorded-distributions.ts";
import { validGeneration } from "../testing/valid-generation.ts";
import type { Vocabulary } from "../vocabulary.ts";

const { rows, swaps, vocabSize } = readDistributions();
const sequenceCount = 50;
const seeds = Array.from({ length: 50 }, (_, index) => 1_000 + index);

const vocabulary: Vocabulary = {
  ...createByteTokenizer(),
  tokenCount: vocabSize,
  bytesOf: () => Uint8Array.of(97),
};

/** First tokens of so many sequences at each of the seeds, counted by id. */
async function drawThroughEngine({ row, parameters }: RecordedCase): Promise<Map<number, number>> {
  const { ids, logits } = rows[row]!;
  const runner = createFakeModel({ vocabSize, slotCount: sequenceCount, logits: () => logits });
  const engine = createEngine({ runner, vocabulary });
  const ended = engine.run();
  const counts = new Map<number, number>();
  for (const seed of seeds) {
    const wire = { ...parameters, num_return_sequences: sequenceCount, seed };
    const limits = { vocabSize, maxSequenceCount: sequenceCount };
    const { sequences, error } = await engine.submit({
      id: `seed ${seed}`,
      promptIds: ids,
      generation: validGeneration(wire, ids.length, limits),
      owner: "test",
      priority: 0,
      deadlineAtMs: null,
    }).result;
    assert.equal(error, null);
    for (const sequence of sequences) {
      const [id = -1] = sequence.ids;
      counts.set(id, (counts.get(id) ?? 0) + 1);
    }
  }
  await engine.stop({ drain: true });
  await ended;
  return counts;
}

interface Statistic {
  readonly chiSquare: number;
  /** What 1 in a million of right samplers would exceed. */
  readonly bound: number;
}

/** Bins that expect fewer than 5 draws are taken together; a draw of probability zero is beyond any bound. */
function compare(counts: ReadonlyMap<number, number>, { ids, probabilities }: Distribution): Statistic {
  const drawCount = [...counts.values()].reduce((sum, count) => sum + count, 0);
  const expected = new Map(ids.map((id, index) => [id, drawCount * probabilities[index]!]));
  if ([...counts.keys()].some((id) => !expected.has(id))) return { chiSquare: Infinity, bound: 0 };
  const bins: { observed: number; expected: number }[] = [];
  const rest = { observed: 0, expected: 0 };
  for (const [id, wanted] of expected) {
    const observed = counts.get(id) ?? 0;
    if (wanted >= 5) bins.push({ observed, expected: wanted });
    else {
      rest.observed += observed;
      rest.expected += wanted;
    }
  }
  if (rest.expected > 0) bins.push(rest);
  const chiSquare = bins.reduce((sum, bin) => sum + (bin.observed - bin.expected) ** 2 / bin.expected, 0);
  return { chiSquare, bound: quantile(bins.length - 1) };
}

/** Of chi-square at 1 - 1e-6, by the approximation of Wilson and Hilferty. */
function quantile(freedom: number): number {
  if (freedom === 0) return 1e-6;
  const part = 2 / (9 * freedom);
  return freedom * (1 - part + 4.7534 * Math.sqrt(part)) ** 3;
}

for (const one of swaps) {
  const [first, second] = one.processors;
  test(`draws follow ${first} before ${second}, and not the other order`, async () => {
    const counts = await drawThroughEngine(one);
    const drawCount = [...counts.values()].reduce((sum, count) => sum + count, 0);
    assert.equal(drawCount, 2_500);
    const right = compare(counts, one);
    assert.ok(right.chiSquare <= right.bound, `χ² ${right.chiSquare} is above ${right.bound}`);
    const wrong = compare(counts, one.swapped);
    assert.ok(
      wrong.chiSquare > wrong.bound,
      `χ² ${wrong.chiSquare} of the other order is not above ${wrong.bound}`,
    );
  });
}
