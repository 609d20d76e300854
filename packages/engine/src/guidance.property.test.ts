// Guidance through the engine gives what recomputing both contexts at every step gives, under chunks, preemption, shared
// prefixes and neighbours.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { createEngine, type EngineOptions } from "./engine.ts";
import { createByteTokenizer } from "./testing/byte-tokenizer.ts";
import { createFakeModel, hashedLogits, type FakeModelOptions } from "./testing/fake-model.ts";
import { generateNaively } from "./testing/naive-generation.ts";
import { validGeneration } from "./testing/valid-generation.ts";
import type { GuidanceSettings } from "./valid-generation.ts";

const vocabulary = createByteTokenizer();
const vocabSize = 40;
const model = { logits: hashedLogits, vocabSize, vocabulary };
type Parameters = Readonly<Record<string, unknown>>;

function start(modelOptions: FakeModelOptions, engineOptions: Partial<EngineOptions> = {}) {
  const runner = createFakeModel({ vocabSize, slotCount: 10, ...modelOptions });
  const engine = createEngine({ runner, vocabulary, integrityChecks: "step", ...engineOptions });
  engine.run().catch(() => {});
  let count = 0;
  return {
    engine,
    runner,
    async generate(
      promptIds: readonly number[],
      parameters: Parameters,
      guidance: GuidanceSettings | null,
      more = {},
    ) {
      const given = { eos_token_id: 7, pad_token_id: 0, seed: 5, ...parameters };
      const limits = { vocabSize, contextLength: runner.limits.contextLength };
      const generation = { ...validGeneration(given, promptIds.length, limits), guidance, ...more };
      const id = `generation ${count++}`;
      const request = { id, promptIds, generation, owner: "test", priority: 0, deadlineAtMs: null };
      const result = await engine.submit(request).result;
      assert.equal(result.error, null);
      return { ...result, generation };
    },
    [Symbol.asyncDispose]: () => engine.stop({ drain: false }),
  };
}

const ids = (minLength: number) => fc.array(fc.nat({ max: vocabSize - 1 }), { minLength, maxLength: 30 });
const call = fc.record({
  prompt: ids(1),
  negative: ids(1),
  scale: fc.constantFrom(1.5, 3, 0, -1, 0.5),
  isGuided: fc.boolean(),
  parameters: fc.record(
    {
      max_new_tokens: fc.integer({ min: 1, max: 12 }),
      do_sample: fc.constant(true),
      num_return_sequences: fc.integer({ min: 1, max: 4 }),
      top_k: fc.constantFrom(0, 5),
      repetition_penalty: fc.constantFrom(1.3, 0.8),
    },
    { requiredKeys: ["max_new_tokens"] },
  ),
});

test("every row has the ids of a context pair of its own, whatever runs beside it", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(call, { minLength: 1, maxLength: 4 }),
      fc.constantFrom(10, 13, 64),
      fc.constantFrom(130, 200, 1024),
      fc.boolean(),
      async (calls, maxBatchTokenCount, cellCount, sharesPrefixes) => {
        await using fixture = start({ maxBatchTokenCount, cellCount }, { sharesPrefixes });
        await Promise.all(
          calls.map(async ({ prompt, negative, scale, isGuided, parameters }) => {
            const guidance = isGuided ? { scale, negativePromptIds: negative } : null;
            const isSampled = parameters.do_sample === true;
            const given = isSampled ? parameters : { ...parameters, num_return_sequences: 1 };
            const { sequences, generation } = await fixture.generate(prompt, given, guidance);
            for (const [row, sequence] of sequences.entries()) {
              assert.deepEqual(sequence.ids, generateNaively(model, generation, prompt, 5, row).ids);
            }
          }),
        );
        assert.equal(fixture.engine.load().usedCellCount, 0);
      },
    ),
    { numRuns: 150 },
  );
});

test("recorded scores are the guided ones, raw logits those of the prompt's context", async () => {
  await using fixture = start({});
  const guidance = { scale: 2, negativePromptIds: [3, 4] };
  const whole = { outputScores: { topCount: null }, outputLogits: { topCount: null } };
  const { sequences, generation } = await fixture.generate([1, 2], { max_new_tokens: 4 }, guidance, whole);
  const naive = generateNaively(model, generation, [1, 2], 5, 0);
  const { ids: chosen, recorded } = sequences[0]!;
  assert.deepEqual(
    recorded!.map(({ scores }) => scores),
    naive.scores,
  );
  for (const [step, { logits }] of recorded!.entries())
    assert.deepEqual(logits, hashedLogits([1, 2, ...chosen.slice(0, step)], vocabSize));
});

test("both contexts of a preempted generation are found again, and both are kept for later calls", async () => {
  await using fixture = start({ cellCount: 130 });
  const prompt = Array.from({ length: 20 }, (_, index) => index);
  const guidance = { scale: 1.5, negativePromptIds: prompt.toReversed() };
  const parameters = { max_new_tokens: 20, eos_token_id: null };
  const calls = [1, 2].map((first) => fixture.generate([first, ...prompt], parameters, guidance));
  for (const { sequences, generation } of await Promise.all(calls))
    assert.equal(sequences[0]!.ids.length, 20, String(generation.maxLength));
  assert.ok(fixture.engine.load().preemptionCount > 0);
  const before = fixture.runner.decodedTokenCount;
  await fixture.generate([2, ...prompt], { max_new_tokens: 1 }, guidance);
  assert.equal(fixture.runner.decodedTokenCount - before, 2, "the last token of each context");
});

test("a negative prompt that does not fit beside the new tokens is refused", async () => {
  await using fixture = start({ contextLength: 64 });
  const guidance = { scale: 2, negativePromptIds: Array.from({ length: 60 }, () => 1) };
  await assert.rejects(
    fixture.generate([1], { max_new_tokens: 5 }, guidance),
    /negative prompt has 60 tokens/,
  );
  const { sequences } = await fixture.generate([1], { max_new_tokens: 4 }, guidance);
  assert.ok(sequences[0]!.ids.length > 0);
});
