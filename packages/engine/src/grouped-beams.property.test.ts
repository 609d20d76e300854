// Groups of beams and searches for words through the engine: alone or beside others, with little memory, preempted and
// aborted, a call gives the same, and all memory comes back.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { createEngine } from "./engine.ts";
import type { GenerationEvent } from "./generation.ts";
import { createByteTokenizer } from "./testing/byte-tokenizer.ts";
import { createFakeModel, hashedLogits, type FakeModelOptions } from "./testing/fake-model.ts";
import { validGeneration } from "./testing/valid-generation.ts";

const vocabulary = createByteTokenizer();
const vocabSize = 24;
type Parameters = Readonly<Record<string, unknown>>;

function start(modelOptions: FakeModelOptions) {
  const runner = createFakeModel({ vocabSize, slotCount: 12, ...modelOptions });
  const engine = createEngine({ runner, vocabulary, integrityChecks: "step" });
  engine.run().catch(() => {});
  let count = 0;
  return {
    engine,
    runner,
    submit(promptIds: readonly number[], parameters: Parameters) {
      const given = { eos_token_id: 7, pad_token_id: 0, seed: 5, ...parameters };
      const generation = validGeneration(given, promptIds.length, { vocabSize });
      const id = `generation ${count++}`;
      return engine.submit({ id, promptIds, generation, owner: "test", priority: 0, deadlineAtMs: null });
    },
    [Symbol.asyncDispose]: () => engine.stop({ drain: false }),
  };
}

const prompt = fc.array(fc.nat({ max: vocabSize - 1 }), { minLength: 1, maxLength: 12 });
const common = {
  max_new_tokens: fc.integer({ min: 1, max: 20 }),
  early_stopping: fc.constantFrom(true, false, "never"),
  length_penalty: fc.constantFrom(1, 0, -0.5),
  num_return_sequences: fc.integer({ min: 1, max: 2 }),
};
const word = fc.array(fc.integer({ min: 10, max: 13 }), { minLength: 1, maxLength: 2 });
const parameters = fc.oneof(
  fc.record({
    ...common,
    num_beams: fc.constantFrom(4, 6),
    num_beam_groups: fc.constant(2),
    diversity_penalty: fc.constantFrom(0.3, 2),
    repetition_penalty: fc.constantFrom(1, 1.3),
  }),
  fc.record({
    ...common,
    num_beams: fc.constantFrom(2, 4),
    force_words_ids: fc.array(word, { minLength: 1, maxLength: 2 }),
  }),
  fc.record({
    ...common,
    num_beams: fc.constant(4),
    num_beam_groups: fc.constant(4),
    diversity_penalty: fc.constant(0.7),
    guidance_scale: fc.constant(1.5),
    negative_prompt_ids: fc.constant([3, 4]),
    num_return_sequences: fc.constant(1),
  }),
  fc.record({ max_new_tokens: fc.integer({ min: 1, max: 10 }) }),
);
const call = fc.record({ prompt, parameters, isAborted: fc.boolean() });

test("beside others, with little memory or aborted: the same ids and scores, and all slots and cells come back", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(call, { minLength: 1, maxLength: 6 }),
      fc.constantFrom(180, 260, 1024),
      fc.constantFrom(12, 64),
      async (calls, cellCount, maxBatchTokenCount) => {
        await using crowded = start({ cellCount, maxBatchTokenCount });
        const handles = calls.map((each) => crowded.submit(each.prompt, each.parameters));
        const results = await Promise.all(
          handles.map(async (handle, index) => {
            if (calls[index]!.isAborted) {
              await Promise.resolve();
              handle.abort();
            }
            return handle.result;
          }),
        );
        for (const [index, { sequences, error }] of results.entries()) {
          const { prompt, parameters, isAborted } = calls[index]!;
          if (isAborted) continue;
          assert.equal(error, null);
          await using alone = start({});
          const expected = await alone.submit(prompt, parameters).result;
          assert.deepEqual(sequences, expected.sequences);
        }
        const { usedCellCount, usedSlotCount, keptCellCount } = crowded.engine.load();
        assert.deepEqual([usedCellCount, usedSlotCount], [0, 0]);
        assert.equal(crowded.runner.usedCellCount, keptCellCount);
      },
    ),
    { numRuns: 120 },
  );
});

test("a preempted generation stays within the cells it asked for, however short what its sequences share is", async () => {
  for (const asked of [
    { num_beams: 2, num_beam_groups: 2, diversity_penalty: 2 },
    { num_beams: 2 },
    { do_sample: true, num_return_sequences: 2 },
  ]) {
    const given = { ...asked, max_new_tokens: 60, eos_token_id: null };
    const prompts = [1, 2, 3, 4, 5, 6].map((first) => [first, 4, 5, 6]);
    await using crowded = start({ cellCount: 4 + 2 * 60 });
    const results = await Promise.all(prompts.map((ids) => crowded.submit(ids, given).result));
    assert.ok(crowded.engine.load().preemptionCount > 0);
    for (const [index, { sequences, error }] of results.entries()) {
      assert.equal(error, null);
      await using alone = start({});
      assert.deepEqual(sequences, (await alone.submit(prompts[index]!, given).result).sequences);
    }
  }
});

test("preempted groups and searches for words go on as if nothing had been", async () => {
  for (const asked of [
    { num_beam_groups: 2, diversity_penalty: 2 },
    { force_words_ids: [[10], [11, 12]], early_stopping: "never" },
  ]) {
    const given = { ...asked, num_beams: 2, max_new_tokens: 60, eos_token_id: null };
    const prompts = [1, 2, 3, 4].map((first) => [first, ...Array.from({ length: 19 }, (_, id) => id)]);
    await using crowded = start({ cellCount: 140 });
    const results = await Promise.all(prompts.map((ids) => crowded.submit(ids, given).result));
    assert.ok(crowded.engine.load().preemptionCount > 0);
    assert.deepEqual([crowded.engine.load().usedCellCount, crowded.engine.load().usedSlotCount], [0, 0]);
    for (const [index, { sequences, error }] of results.entries()) {
      assert.equal(error, null);
      await using alone = start({});
      assert.deepEqual(sequences, (await alone.submit(prompts[index]!, given).result).sequences);
    }
  }
});

test("groups choose other tokens than earlier groups where the penalty is high", async () => {
  await using fixture = start({});
  const given = { num_beams: 4, num_beam_groups: 4, diversity_penalty: 100, eos_token_id: null };
  const { sequences } = await fixture.submit([1, 2], { ...given, num_return_sequences: 4, max_new_tokens: 5 })
    .result;
  for (let step = 0; step < 5; step++) {
    const chosen = sequences.map(({ ids }) => ids[step]);
    assert.equal(new Set(chosen).size, 4, `step ${step}: ${chosen.join()}`);
  }
});

/** Says one thing only, but for a doubt at every fifth token. */
function decided(history: readonly number[], size: number): number[] {
  const isInDoubt = history.length % 5 === 0;
  return [...hashedLogits(history, size)].map((logit, id) => {
    const isNext = id === 10 + (history.length % 5);
    return (isInDoubt ? logit : logit / 10) + (isNext ? 12 : 0);
  });
}

async function eventsOf(events: AsyncIterable<GenerationEvent>): Promise<GenerationEvent[]> {
  return Array.fromAsync(events);
}

test("a lone answer with forced words is given out as it settles", async () => {
  await using fixture = start({ logits: decided });
  const given = { num_beams: 2, force_words_ids: [[10]], max_new_tokens: 15 };
  const events = await eventsOf(fixture.submit([1, 2], given));
  const texts = events.filter((event) => event.kind === "text");
  const end = events.at(-1)!;
  assert.ok(end.kind === "ended" && end.result.error === null);
  assert.ok(texts.length > 1, `${texts.length} pieces`);
  assert.deepEqual(
    texts.flatMap(({ ids }) => ids),
    end.result.sequences[0]!.ids,
  );
});

test("a lone answer of groups is given out once, as groups differ from the first token on", async () => {
  await using fixture = start({ logits: decided });
  const given = { num_beams: 2, num_beam_groups: 2, diversity_penalty: 50, max_new_tokens: 6 };
  const events = await eventsOf(fixture.submit([1, 2], given));
  const texts = events.filter((event) => event.kind === "text");
  const end = events.at(-1)!;
  assert.ok(end.kind === "ended" && end.result.error === null);
  assert.equal(texts.length, 1);
  assert.deepEqual(texts[0]!.ids, end.result.sequences[0]!.ids);
});

test("scores of the chosen tokens are recorded, also of forced ones", async () => {
  await using fixture = start({});
  const whole = { return_dict_in_generate: true, output_scores: true };
  for (const given of [
    { num_beams: 4, force_words_ids: [[11, 12]] },
    { num_beams: 4, num_beam_groups: 2, diversity_penalty: 0.5, length_penalty: 0 },
  ]) {
    const { sequences } = await fixture.submit([1, 2], { ...whole, ...given, max_new_tokens: 6 }).result;
    const [{ ids, recorded, beam }] = sequences as [(typeof sequences)[0]];
    assert.equal(recorded!.length, ids.length);
    const sum = recorded!.reduce((total, { scores }, step) => {
      assert.ok(scores instanceof Float32Array);
      return total + scores[ids[step]!]!;
    }, 0);
    const divisor = "length_penalty" in given ? 1 : ids.length;
    assert.ok(Math.abs(sum / divisor - beam!.score) < 1e-4, `${sum} over ${divisor}, ${beam!.score}`);
  }
});

/** What no model would say, but for `id` behind so many tokens. */
const sayingAt = (position: number, id: number) => (history: readonly number[], size: number) =>
  [...hashedLogits(history, size)].map((logit, token) =>
    history.length === position && token === id ? logit + 30 : logit,
  );

const bothKinds = [
  { num_beams: 4, num_beam_groups: 2, diversity_penalty: 0.1 },
  { num_beams: 4, force_words_ids: [[12]] },
];

test("a row ends with the end token that ended it, whichever of several that is", async () => {
  await using fixture = start({ logits: sayingAt(8, 9) });
  for (const given of bothKinds) {
    const asked = { ...given, eos_token_id: [7, 9], min_new_tokens: 6, max_new_tokens: 12 };
    const { sequences } = await fixture.submit([1, 2], asked).result;
    assert.equal(sequences[0]!.finishReason, "stop");
    assert.equal(sequences[0]!.ids.at(-1), 9);
  }
});

test("a stop string ends a beam of a group, and of a search for words once they are there", async () => {
  await using fixture = start({ logits: sayingAt(6, 15) });
  const stops = { stop_strings: ["\x0f"], eos_token_id: null, max_new_tokens: 12, early_stopping: true };
  for (const given of bothKinds) {
    const { sequences } = await fixture.submit([1, 2], { ...given, ...stops }).result;
    assert.equal(sequences[0]!.finishReason, "stop_sequence");
    assert.equal(sequences[0]!.ids.indexOf(15), sequences[0]!.ids.length - 1);
  }
});

test("a word with a banned token never comes, and the answer goes on without it", async () => {
  await using fixture = start({});
  const given = { num_beams: 3, force_words_ids: [[5], [10]], suppress_tokens: [5], max_new_tokens: 8 };
  const { sequences, error } = await fixture.submit([1, 2], { ...given, eos_token_id: null }).result;
  assert.equal(error, null);
  assert.equal(sequences[0]!.ids.length, 8);
  assert.ok(!sequences[0]!.ids.includes(5) && sequences[0]!.ids.includes(10));
});

test("where every token is banned, groups and searches for words say so", async () => {
  await using fixture = start({});
  const suppress_tokens = Array.from({ length: vocabSize }, (_, id) => id);
  for (const given of bothKinds) {
    const { error } = await fixture.submit([1, 2], { ...given, suppress_tokens, max_new_tokens: 3 }).result;
    assert.equal(error?.code, "no_token_possible");
  }
});

test("encoder_repetition_penalty acts on every beam", async () => {
  await using fixture = start({});
  for (const given of [bothKinds[0]!, { num_beams: 4, force_words_ids: [[10]] }]) {
    const asked = { ...given, encoder_repetition_penalty: 100, eos_token_id: null, max_new_tokens: 4 };
    const { sequences } = await fixture.submit([10, 11], { ...asked, num_return_sequences: 4 }).result;
    for (const { ids } of sequences)
      assert.ok(
        ids.every((id) => id === 10 || id === 11),
        ids.join(),
      );
  }
});
