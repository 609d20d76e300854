// Prompt lookup changes how many steps a generation takes, and nothing else.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { createEngine, type EngineOptions } from "./engine.ts";
import { byteTokenCount as vocabSize, createByteTokenizer } from "./testing/byte-tokenizer.ts";
import { createFakeClock } from "./testing/fake-clock.ts";
import { createFakeModel, hashedLogits, type FakeModelOptions } from "./testing/fake-model.ts";
import { generateNaively } from "./testing/naive-generation.ts";
import { validGeneration } from "./testing/valid-generation.ts";
import type { GenerationSettings } from "./valid-generation.ts";

const vocabulary = createByteTokenizer();
type Parameters = Readonly<Record<string, unknown>>;

/** Likely goes on as it did when the last id came before; now and then, by chance, not. */
function repeating(history: readonly number[], size: number): Float32Array {
  const logits = hashedLogits(history, size);
  const before = history.lastIndexOf(history.at(-1)!, -2);
  const next = before < 0 ? history.length % 5 : history[before + 1]!;
  logits[next] = logits[next]! + 6;
  return logits;
}

const model = { logits: repeating, vocabSize, vocabulary };

/** Each step takes `fixedMs` and `eachMs` for each token, by the engine's clock. */
function start(
  fixedMs: number,
  eachMs: number,
  modelOptions: FakeModelOptions = {},
  engineOptions: Partial<EngineOptions> = {},
) {
  const clock = createFakeClock();
  const runner = createFakeModel({
    logits: repeating,
    beforeDecode: ({ tokenCount }) => clock.advance(fixedMs + eachMs * tokenCount),
    ...modelOptions,
  });
  const engine = createEngine({ runner, vocabulary, clock, integrityChecks: "step", ...engineOptions });
  engine.run().catch(() => {});
  let count = 0;
  return {
    engine,
    runner,
    async generate(
      promptIds: readonly number[],
      parameters: Parameters,
      settings: Partial<GenerationSettings>,
    ) {
      const given = { eos_token_id: null, pad_token_id: 0, seed: 5, ...parameters };
      const generation = { ...validGeneration(given, promptIds.length), ...settings };
      const id = `generation ${count++}`;
      const request = { id, promptIds, generation, owner: "test", priority: 0, deadlineAtMs: null };
      const before = runner.plans.length;
      const result = await engine.submit(request).result;
      return { ...result, generation, stepCount: runner.plans.length - before };
    },
    [Symbol.asyncDispose]: () => engine.stop({ drain: false }),
  };
}

const lookup = fc.record({
  draftTokenCount: fc.integer({ min: 1, max: 12 }),
  maxNgramSize: fc.integer({ min: 1, max: 3 }),
});
const smallIds = fc.array(fc.nat({ max: 6 }), { minLength: 1, maxLength: 25 });
const call = fc.record({
  prompt: smallIds,
  promptLookup: lookup,
  parameters: fc.record(
    {
      max_new_tokens: fc.integer({ min: 1, max: 30 }),
      do_sample: fc.boolean(),
      num_return_sequences: fc.integer({ min: 1, max: 3 }),
      repetition_penalty: fc.constantFrom(1, 1.2, 0.9),
      top_k: fc.constantFrom(0, 3),
      eos_token_id: fc.constantFrom(null, 3, [2, 5]),
    },
    { requiredKeys: ["max_new_tokens"] },
  ),
  settings: fc.record(
    {
      stopStrings: fc.constantFrom(["\u0001\u0002"], ["\u0004", "\u0000\u0001\u0000"]),
      noRepeatNgramSize: fc.constantFrom(3, 4),
      minNewTokenCount: fc.constantFrom(4, 9),
      guidance: fc.record({ scale: fc.constantFrom(1.5, 0.7), negativePromptIds: smallIds }),
      watermark: fc.constant({
        kind: "synthid" as const,
        ngramLength: 3,
        keys: [654, 400, 836],
        contextHistorySize: 4,
        samplingTableSeed: 0,
        samplingTableSize: 256,
        skipFirstNgramCalls: false,
        debugMode: false,
      }),
      logprobCount: fc.constant(1),
      outputScores: fc.constant({ topCount: null }),
    },
    { requiredKeys: [] },
  ),
});

test("the ids are those of plain decoding, whatever a step costs and whoever else is there", async () => {
  let savedStepCount = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(call, { minLength: 1, maxLength: 3 }),
      fc.constantFrom([20, 0.1], [5, 5], [0, 0]),
      fc.constantFrom(12, 20, 64),
      fc.constantFrom(250, 1024),
      async (calls, [fixedMs, eachMs], maxBatchTokenCount, cellCount) => {
        await using fixture = start(fixedMs, eachMs, { maxBatchTokenCount, cellCount, slotCount: 12 });
        // So that the first step's cost is known before the calls begin.
        await fixture.generate([1, 2], { max_new_tokens: 2 }, {});
        await Promise.all(
          calls.map(async ({ prompt, promptLookup, parameters, settings }) => {
            const isSampled = parameters.do_sample === true;
            const given = isSampled ? parameters : { ...parameters, num_return_sequences: 1 };
            const { sequences, generation, error, stepCount } = await fixture.generate(prompt, given, {
              ...settings,
              promptLookup,
            });
            assert.equal(error, null);
            for (const [row, { ids, recorded, finishReason }] of sequences.entries()) {
              const naive = generateNaively(model, generation, prompt, 5, row);
              assert.deepEqual(ids, naive.ids);
              assert.ok(prompt.length + ids.length <= generation.maxLength);
              assert.notEqual(finishReason, "error");
              if (generation.outputScores === null) continue;
              assert.deepEqual(
                recorded!.map(({ scores }) => scores),
                naive.scores,
              );
            }
            if (calls.length === 1 && sequences.length === 1)
              savedStepCount += Math.max(0, sequences[0]!.ids.length - stepCount);
          }),
        );
        assert.equal(fixture.engine.load().usedCellCount, 0);
      },
    ),
    { numRuns: 200 },
  );
  assert.ok(savedStepCount > 0, "drafts were verified");
});

const cycle = Array.from({ length: 24 }, (_, index) => index % 6);
const wanted = { promptLookup: { draftTokenCount: 8, maxNgramSize: 2 } };
const greedy = { max_new_tokens: 48 };

test("fewer steps are taken where steps cost by themselves, and as many as ever where tokens do", async () => {
  const stepCounts: number[] = [];
  for (const [fixedMs, eachMs] of [
    [20, 0.1],
    [0, 20],
  ] as const) {
    await using fixture = start(fixedMs, eachMs, { logits: cycling });
    const plain = await fixture.generate(cycle, greedy, {});
    const looked = await fixture.generate(cycle, greedy, wanted);
    assert.deepEqual(looked.sequences, plain.sequences);
    stepCounts.push(looked.stepCount);
  }
  assert.ok(stepCounts[0]! <= 14, `${stepCounts[0]} steps`);
  assert.equal(stepCounts[1], 48);
});

/** Always the cycle. */
function cycling(history: readonly number[], size: number): Float32Array {
  return Float32Array.from({ length: size }, (_, id) => (id === history.length % 6 ? 5 : 0));
}

test("a device that slows down with every token is found out after a few drafts, though a line says otherwise", async () => {
  // As measured on processors: a few tokens cost several steps, and a long prompt little for each token.
  const clock = createFakeClock();
  const beforeDecode = ({ tokenCount }: { tokenCount: number }) =>
    clock.advance(tokenCount <= 16 ? 50 * tokenCount : 800 + 5 * tokenCount);
  const options = { beforeDecode, logits: cycling, contextLength: 512, maxBatchTokenCount: 512 };
  await using fixture = start(0, 0, options, { clock });
  const prompt = Array.from({ length: 180 }, (_, index) => index % 6);
  const { sequences } = await fixture.generate(prompt, greedy, wanted);
  assert.equal(sequences[0]!.ids.length, 48);
  const counts = fixture.runner.plans.map(({ tokenCount }) => tokenCount).filter((count) => count < 20);
  assert.ok(counts.filter((count) => count > 1).length <= 5, `${counts.join(", ")}`);
  assert.ok(
    counts.slice(-15).every((count) => count === 1),
    `${counts.join(", ")}`,
  );
});

test("a deterministic generation takes the same steps whatever they cost", async () => {
  await using fixture = start(20, 0.1, { logits: cycling }, { isExclusive: true });
  const { stepCount } = await fixture.generate(cycle, { ...greedy, deterministic: true }, wanted);
  assert.equal(stepCount, 48);
});
