// Beams that cannot go on, as the parameters leave none of them a token.

import assert from "node:assert/strict";
import { test } from "node:test";
import { createEngine } from "../../engine.ts";
import { byteTokenCount, createByteTokenizer } from "../../testing/byte-tokenizer.ts";
import { createFakeModel } from "../../testing/fake-model.ts";
import { validGeneration } from "../../testing/valid-generation.ts";

const prompt = [40, 41, 42];
const [a, b, end] = [1, 2, 3] as const;

/** Only these tokens are possible; in order of what they are worth. */
async function resultOf(possible: readonly number[], parameters: Readonly<Record<string, unknown>>) {
  const runner = createFakeModel({
    slotCount: 8,
    logits() {
      const logits = new Float32Array(byteTokenCount).fill(-Infinity);
      for (const [rank, token] of possible.entries()) logits[token] = -rank;
      return logits;
    },
  });
  const engine = createEngine({ runner, vocabulary: createByteTokenizer(), integrityChecks: "step" });
  engine.run().catch(() => {});
  const given = { num_beams: 3, max_new_tokens: 6, eos_token_id: end, pad_token_id: 0, ...parameters };
  const generation = validGeneration(given, prompt.length);
  const { result } = engine.submit({
    id: "beams",
    promptIds: prompt,
    generation,
    owner: "test",
    priority: 0,
    deadlineAtMs: null,
  });
  const { sequences, error } = await result;
  const { usedCellCount, usedSlotCount } = engine.load();
  assert.deepEqual([usedCellCount, usedSlotCount], [0, 0]);
  await engine.stop({ drain: false });
  return { ids: sequences.map(({ ids }) => ids), error };
}

/** Of a and an end token, neither follows any. */
const leadsNowhere = { bad_words_ids: [a, end].flatMap((first) => [a, end].map((next) => [first, next])) };

for (const do_sample of [false, true]) {
  test(`what has finished is returned where no beam can go on, do_sample ${do_sample}`, async () => {
    const { ids, error } = await resultOf([a, end], { ...leadsNowhere, do_sample });
    assert.equal(error, null);
    assert.deepEqual(ids, [[end]]);
  });
}

test("where fewer have finished than are asked for, the others are empty", async () => {
  const { ids, error } = await resultOf([a, end], { ...leadsNowhere, num_return_sequences: 2 });
  assert.equal(error, null);
  assert.deepEqual(ids, [[end], []]);
});

test("a call of which nothing has finished fails where no beam can go on", async () => {
  const { error } = await resultOf([a, b], { no_repeat_ngram_size: 1 });
  assert.equal(error?.code, "no_token_possible");
});

test("groups of beams return what has finished, too", async () => {
  const inGroups = { num_beams: 4, num_beam_groups: 2, diversity_penalty: 0.1 };
  const { ids, error } = await resultOf([a, end], { ...leadsNowhere, ...inGroups });
  assert.equal(error, null);
  assert.deepEqual(ids, [[end]]);
});

test("a search for words returns what has finished, too", async () => {
  const afterA = {
    bad_words_ids: [
      [a, a],
      [a, b],
      [a, end],
      [b, b],
    ],
  };
  const { ids, error } = await resultOf([b, a, end], { ...afterA, force_words_ids: [[b]] });
  assert.equal(error, null);
  assert.deepEqual(ids, [[b, end]]);
});
