// Beams in the common batch: whatever comes between, they are those of a search that recomputes everything, they never
// hold more cells than their tokens, and nothing is left of them.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { createEngine } from "./engine.ts";
import type { GenerationHandle } from "./generation.ts";
import { byteTokenCount as vocabSize, createByteTokenizer } from "./testing/byte-tokenizer.ts";
import { strategyNeeds } from "./strategies/create-strategy.ts";
import { createFakeClock } from "./testing/fake-clock.ts";
import { createFakeModel, hashedLogits, type FakeModelOptions } from "./testing/fake-model.ts";
import { searchNaively } from "./testing/naive-beams.ts";
import { generateNaively } from "./testing/naive-generation.ts";
import { validGeneration } from "./testing/valid-generation.ts";

const vocabulary = createByteTokenizer();
const seed = 5;

/** Few tokens are likely, an end token among them, and equal scores are common. */
function peaked(history: readonly number[], size: number): Float32Array {
  const logits = hashedLogits(history, size).map((logit) => Math.round(logit));
  for (const id of [0, 1, 2, 3, 7]) logits[id] = logits[id]! + 5;
  return logits;
}

const model = { logits: peaked, vocabSize, vocabulary };

const smallIds = fc.array(fc.nat({ max: 6 }), { minLength: 1, maxLength: 20 });
const parameters = fc.record(
  {
    num_beams: fc.integer({ min: 2, max: 4 }),
    max_new_tokens: fc.integer({ min: 1, max: 10 }),
    num_return_sequences: fc.integer({ min: 1, max: 2 }),
    early_stopping: fc.constantFrom(false, true, "never"),
    length_penalty: fc.constantFrom(1, 0, -1, 2.5),
    do_sample: fc.boolean(),
    top_k: fc.constantFrom(0, 2, 5),
    top_p: fc.constantFrom(1, 0.4),
    temperature: fc.constantFrom(1, 0.5, 3),
    repetition_penalty: fc.constantFrom(1, 1.3),
    no_repeat_ngram_size: fc.constantFrom(0, 2),
    eos_token_id: fc.constantFrom(null, 3, [2, 7]),
    stop_strings: fc.constantFrom(["\u0001\u0002"], ["\u0000\u0001", "\u0003"]),
    suppress_tokens: fc.constantFrom([1], [0, 2, 3]),
    watermarking_config: fc.constantFrom({ ngram_len: 2, keys: [11, 5] }, { bias: 3, context_width: 2 }),
    guidance_scale: fc.constantFrom(1.5, 0.5),
    negative_prompt_ids: smallIds,
    output_scores: fc.constant(true),
    return_dict_in_generate: fc.constant(true),
    scores_top_n: fc.constant(2),
  },
  { requiredKeys: ["num_beams", "max_new_tokens", "eos_token_id"] },
);

function start(modelOptions: FakeModelOptions) {
  const runner = createFakeModel({ logits: peaked, ...modelOptions });
  const engine = createEngine({ runner, vocabulary, clock: createFakeClock(), integrityChecks: "step" });
  engine.run().catch(() => {});
  let count = 0;
  return {
    engine,
    runner,
    submit(promptIds: readonly number[], given: Readonly<Record<string, unknown>>) {
      const generation = validGeneration({ pad_token_id: 0, seed, ...given }, promptIds.length);
      const id = `generation ${count++}`;
      const request = { id, promptIds, generation, owner: id, priority: 0, deadlineAtMs: null };
      return { generation, handle: engine.submit(request) };
    },
    [Symbol.asyncDispose]: () => engine.stop({ drain: false }),
  };
}

async function streamedIds(handle: GenerationHandle): Promise<number[]> {
  const ids: number[] = [];
  for await (const event of handle) if (event.kind === "text") ids.push(...event.ids);
  return ids;
}

test("beams among others, in little room or much, find what a search finds that recomputes everything", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ prompt: smallIds, given: parameters }), { minLength: 1, maxLength: 5 }),
      fc.constantFrom(24, 64),
      fc.boolean(),
      async (calls, maxBatchTokenCount, isTight) => {
        // Just enough for the one that may need the most.
        const needs = calls.map(({ prompt, given }) => {
          const settings = validGeneration(given, prompt.length);
          return strategyNeeds(settings, prompt).cellCount;
        });
        const cellCount = isTight ? Math.max(...needs) : 1_024;
        await using fixture = start({ maxBatchTokenCount, cellCount, slotCount: 24 });
        await Promise.all(
          calls.map(async ({ prompt, given }) => {
            const { generation, handle } = fixture.submit(prompt, given);
            const [streamed, { sequences, error }] = await Promise.all([streamedIds(handle), handle.result]);
            assert.equal(error, null);
            const expected = searchNaively(model, generation, prompt, seed);
            assert.deepEqual(
              sequences.map(({ ids, finishReason, beam }) => ({ ids, finishReason, ...beam })),
              expected.map(({ ids, reason, score, beamIndices }) => ({
                ids,
                finishReason: reason,
                score,
                indices: beamIndices,
              })),
            );
            if (sequences.length === 1) assert.deepEqual(streamed, sequences[0]!.ids);
            for (const { ids, recorded } of sequences)
              if (recorded !== undefined) assert.equal(recorded.length, ids.length);
          }),
        );
        const { usedCellCount, usedSlotCount } = fixture.engine.load();
        assert.deepEqual([usedCellCount, usedSlotCount], [0, 0]);
      },
    ),
    { numRuns: 150 },
  );
});

/** Four beams part at the first token and go on side by side. */
function parting(history: readonly number[], size: number): Float32Array {
  const logits = hashedLogits(history, size);
  const isFirst = history.length % 20 === 0;
  const last = history.at(-1)!;
  for (let id = 0; id < 4; id++) logits[isFirst ? 200 + id : id] = isFirst ? 30 - id / 4 : 0;
  if (!isFirst) logits[(last * 7 + history.length) % size] = 30;
  return logits;
}

test("groups of beams that are preempted, and computed again, find the same", async () => {
  await using fixture = start({ logits: parting, cellCount: 200, slotCount: 24 });
  const calls = Array.from({ length: 5 }, (_, number) => {
    const prompt = Array.from({ length: 20 }, (_, index) => (index * 11 + number * 17) % 190);
    const { generation, handle } = fixture.submit(prompt, {
      num_beams: 4,
      num_return_sequences: 4,
      max_new_tokens: 16,
      eos_token_id: null,
    });
    return { prompt, generation, handle };
  });
  for (const { prompt, generation, handle } of calls) {
    const { sequences, error } = await handle.result;
    assert.equal(error, null);
    const expected = searchNaively({ ...model, logits: parting }, generation, prompt, seed);
    assert.deepEqual(
      sequences.map(({ ids, beam }) => ({ ids, score: beam!.score })),
      expected.map(({ ids, score }) => ({ ids, score })),
    );
  }
  const { preemptionCount, usedCellCount, usedSlotCount } = fixture.engine.load();
  assert.ok(preemptionCount > 0, "groups were preempted");
  assert.deepEqual([usedCellCount, usedSlotCount], [0, 0]);
});

test("beams that are aborted at any step leave nothing behind and their neighbours as they were", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.record({ prompt: smallIds, given: parameters, abortAtStep: fc.option(fc.nat({ max: 14 })) }),
        { minLength: 2, maxLength: 4 },
      ),
      smallIds,
      async (calls, plainPrompt) => {
        const aborts: { atStep: number; handle: GenerationHandle }[] = [];
        await using fixture = start({
          slotCount: 20,
          beforeDecode(_plan, index) {
            for (const { atStep, handle } of aborts) if (atStep <= index) handle.abort();
          },
        });
        const begun = calls.map(({ prompt, given, abortAtStep }) => {
          const { generation, handle } = fixture.submit(prompt, given);
          if (abortAtStep !== null) aborts.push({ atStep: abortAtStep, handle });
          return { prompt, generation, handle };
        });
        const plain = fixture.submit(plainPrompt, { max_new_tokens: 8, eos_token_id: null });
        for (const { prompt, generation, handle } of begun) {
          const { sequences, error } = await handle.result;
          if (error !== null) {
            assert.equal(error.code, "aborted");
            continue;
          }
          const expected = searchNaively(model, generation, prompt, seed);
          assert.deepEqual(
            sequences.map(({ ids }) => ids),
            expected.map(({ ids }) => ids),
          );
        }
        const { sequences } = await plain.handle.result;
        assert.deepEqual(
          sequences[0]!.ids,
          generateNaively(model, plain.generation, plainPrompt, seed, 0).ids,
        );
        assert.equal(fixture.engine.load().usedCellCount, 0);
        assert.equal(fixture.engine.load().usedSlotCount, 0);
      },
    ),
    { numRuns: 100 },
  );
});

test("a beam call holds no more cells than its prompt and one for each token of each beam, and computes no more", async () => {
  const prompt = Array.from({ length: 30 }, (_, index) => index % 5);
  const used: number[] = [];
  await using fixture = start({
    cellCount: 512,
    beforeDecode: () => void used.push(fixture.engine.load().usedCellCount),
  });
  const { handle } = fixture.submit(prompt, { num_beams: 4, max_new_tokens: 12, eos_token_id: null });
  const { sequences } = await handle.result;
  assert.equal(sequences[0]!.ids.length, 12);
  for (const [step, count] of used.entries()) assert.ok(count <= 30 + 4 * step, `step ${step}: ${count}`);
  assert.equal(fixture.runner.decodedTokenCount, 30 + 4 * 11);
});
