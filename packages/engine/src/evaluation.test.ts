// Scores and embeddings through the engine over the fake model: what is computed when, and what a neighbour notices.

import assert from "node:assert/strict";
import { test } from "node:test";
import { createEngine, type EngineOptions } from "./engine.ts";
import type { Evaluation, EvaluationHandle, EvaluationRequest, EvaluationResult } from "./evaluation.ts";
import type { GenerationHandle } from "./generation.ts";
import { logSoftmax } from "./logits/log-softmax.ts";
import { topScores } from "./logits/top-scores.ts";
import { byteTokenCount, createByteTokenizer } from "./testing/byte-tokenizer.ts";
import { createFakeModel, hashedLogits, type FakeModelOptions } from "./testing/fake-model.ts";
import { validGeneration } from "./testing/valid-generation.ts";

function start(modelOptions: FakeModelOptions = {}, engineOptions: Partial<EngineOptions> = {}) {
  const model = createFakeModel(modelOptions);
  const engine = createEngine({
    runner: model,
    vocabulary: createByteTokenizer(),
    integrityChecks: "step",
    ...engineOptions,
  });
  engine.run().catch(() => {});
  let count = 0;
  const common = () => ({ id: `call ${count++}`, owner: "test", priority: 0, deadlineAtMs: null });
  return {
    model,
    engine,
    evaluate: (
      evaluation: Evaluation,
      promptIds: readonly number[],
      overrides: Partial<EvaluationRequest> = {},
    ): EvaluationHandle => engine.evaluate({ ...common(), promptIds, evaluation, ...overrides }),
    generate(promptIds: readonly number[], newTokenCount = 6): GenerationHandle {
      const parameters = { max_new_tokens: newTokenCount, eos_token_id: null };
      const generation = validGeneration(parameters, promptIds.length);
      return engine.submit({ ...common(), promptIds, generation });
    },
    [Symbol.asyncDispose]: () => engine.stop({ drain: false }).catch(() => {}),
  };
}

const scores: Evaluation = { kind: "scores", topCount: 0 };
const withTop: Evaluation = { kind: "scores", topCount: 3 };
const embedding = (pooling: "mean" | "last" | "cls", normalize = false): Evaluation => ({
  kind: "embedding",
  pooling,
  normalize,
});

const text = Array.from({ length: 41 }, (_, index) => (index * 37 + 5) % 256);

/** Log-probabilities after `ids`, recomputed. */
function rowAfter(ids: readonly number[]): Float32Array {
  const row = hashedLogits(ids, byteTokenCount);
  logSoftmax(row);
  return row;
}

function expectedScores(ids: readonly number[]): number[] {
  return ids.slice(1).map((id, index) => rowAfter(ids.slice(0, index + 1))[id]!);
}

function scored({ output, error }: EvaluationResult) {
  assert.equal(error, null);
  assert.equal(output?.kind, "scores");
  return output;
}

function embedded({ output, error }: EvaluationResult): number[] {
  assert.equal(error, null);
  assert.equal(output?.kind, "embedding");
  return [...output.vector];
}

test("each id is scored after those before it, with the best ids of its place", async () => {
  await using fixture = start();
  const result = await fixture.evaluate(withTop, text).result;
  const { logProbabilities, top } = scored(result);
  assert.deepEqual(logProbabilities, expectedScores(text));
  for (const [index, best] of top.entries()) {
    assert.deepEqual(best, topScores(rowAfter(text.slice(0, index + 1)), 3, 0));
  }
  assert.deepEqual(result.usage, { promptTokenCount: 41, cachedTokenCount: 0, generatedTokenCount: 0 });
  assert.equal(fixture.model.decodedTokenCount, 40, "the last id is only scored");
  assert.ok(result.timings.prefillMs >= 0 && result.timings.decodeMs === 0);
});

test("one id alone has no score", async () => {
  await using fixture = start();
  assert.deepEqual(scored(await fixture.evaluate(withTop, [9]).result), {
    kind: "scores",
    logProbabilities: [],
    top: [],
  });
});

test("a text in chunks, by tokens or by rows, has the scores and the embeddings of the whole one", async () => {
  const evaluations = [withTop, embedding("mean"), embedding("last"), embedding("cls")];
  const whole = await (async () => {
    await using fixture = start();
    return await Promise.all(evaluations.map((evaluation) => fixture.evaluate(evaluation, text).result));
  })();
  for (const [maxBatchTokenCount, maxRowCount] of [
    [8, 8],
    [16, 9],
    [64, 8],
  ] as const) {
    await using fixture = start({ maxBatchTokenCount, maxRowCount });
    const parts = evaluations.map((evaluation) => fixture.evaluate(evaluation, text).result);
    for (const [index, part] of parts.entries()) assert.deepEqual((await part).output, whole[index]!.output);
    assert.ok(fixture.model.plans.length > 6, "there were many steps");
  }
});

test("an embedding is the mean, the last or the first state, of length 1 where that is asked for", async () => {
  await using fixture = start();
  const states = text.map((_, index) => [...hashedLogits(text.slice(0, index + 1), 8)]);
  const mean = states[0]!.map(
    (_, place) => states.reduce((sum, state) => sum + state[place]!, 0) / states.length,
  );
  assert.deepEqual(embedded(await fixture.evaluate(embedding("mean"), text).result), mean.map(Math.fround));
  assert.deepEqual(embedded(await fixture.evaluate(embedding("last"), text).result), states.at(-1));
  const before = fixture.model.decodedTokenCount;
  assert.deepEqual(embedded(await fixture.evaluate(embedding("cls"), text).result), states[0]);
  assert.equal(fixture.model.decodedTokenCount - before, 1, "nothing after the first token changes it");
  const unit = embedded(await fixture.evaluate(embedding("mean", true), text).result);
  assert.ok(Math.abs(Math.hypot(...unit) - 1) < 1e-6);
  assert.ok(Math.abs(unit[0]! * Math.hypot(...mean) - mean[0]!) < 1e-5);
});

test("evaluations and generations share steps, and none changes another", async () => {
  const others = [text.slice(7), [1, 2, 3], text.toReversed()];
  const alone = await Promise.all(
    others.map(async (promptIds) => {
      await using fixture = start();
      return (await fixture.generate(promptIds).result).sequences;
    }),
  );
  await using fixture = start({ maxBatchTokenCount: 24, maxRowCount: 10 });
  const generations = others.map((promptIds) => fixture.generate(promptIds));
  const evaluations = [scores, embedding("mean")].map((evaluation) => fixture.evaluate(evaluation, text));
  assert.deepEqual(await Promise.all(generations.map(async ({ result }) => (await result).sequences)), alone);
  assert.deepEqual(scored(await evaluations[0]!.result).logProbabilities, expectedScores(text));
  assert.ok([...fixture.engine.load().batchHistogram.keys()].some((count) => count > 1));
});

test("scores take nothing from the prefix cache, which would give no rows, and leave their text there", async () => {
  await using fixture = start();
  await fixture.generate(text).result;
  const { prefixQueryTokenCount } = fixture.engine.load();
  const result = await fixture.evaluate(scores, text).result;
  assert.equal(fixture.engine.load().prefixQueryTokenCount, prefixQueryTokenCount, "nothing is looked up");
  assert.equal(result.usage.cachedTokenCount, 0);
  assert.deepEqual(scored(result).logProbabilities, expectedScores(text));
  const other = text.toReversed();
  await fixture.evaluate(scores, other).result;
  assert.equal((await fixture.generate(other).result).usage.cachedTokenCount, 40);
  assert.equal((await fixture.evaluate(embedding("last"), other).result).usage.cachedTokenCount, 40);
});

test("a text that lost its place goes on where its scores ended", async () => {
  // A row a step for each: the generation's cells run out before the text is done.
  await using fixture = start({ slotCount: 2, maxRowCount: 2, cellCount: 54 });
  const generation = fixture.generate([1, 2, 3, 4, 5, 6], 40);
  const ids = text.slice(0, 30);
  const { result } = fixture.evaluate(scores, ids);
  assert.deepEqual(scored(await result).logProbabilities, expectedScores(ids));
  assert.equal((await generation.result).error, null);
  assert.ok(fixture.engine.load().preemptionCount > 0, "it had to wait in between");
});

for (const [name, evaluation] of [
  ["scores", scores],
  ["an embedding", embedding("mean")],
] as const) {
  test(`${name} that is aborted while queued, or in any step, frees its cells within one step`, async () => {
    for (const abortedStep of [-1, 0, 1, 2]) {
      const handles: EvaluationHandle[] = [];
      await using fixture = start({
        maxBatchTokenCount: 16,
        slotCount: 2,
        beforeDecode(_plan, decodeIndex) {
          if (decodeIndex === abortedStep) handles[0]!.abort();
        },
      });
      handles.push(fixture.evaluate(evaluation, text));
      if (abortedStep === -1) handles[0]!.abort();
      const { error, output, usage } = await handles[0]!.result;
      assert.equal(error?.code, "aborted");
      assert.equal(output, null);
      assert.equal(usage.promptTokenCount, abortedStep === -1 ? 0 : 41);
      assert.equal(fixture.model.plans.length, abortedStep + 1);
      const { usedCellCount, usedSlotCount, runningGroupCount } = fixture.engine.load();
      assert.deepEqual([usedCellCount, usedSlotCount, runningGroupCount], [0, 0, 0]);
    }
  });
}

test("a text is aborted by its signal, and its neighbour goes on", async () => {
  await using fixture = start({ maxBatchTokenCount: 16 });
  const controller = new AbortController();
  const gone = fixture.engine.evaluate(
    { id: "gone", promptIds: text, evaluation: scores, owner: "test", priority: 0, deadlineAtMs: null },
    { signal: controller.signal },
  );
  const neighbour = fixture.evaluate(scores, text.toReversed());
  controller.abort();
  assert.equal((await gone.result).error?.code, "aborted");
  assert.deepEqual(scored(await neighbour.result).logProbabilities, expectedScores(text.toReversed()));
});

test("values that are not numbers fail the text that met them and no other", async () => {
  const isBad = (history: readonly number[]) => history.length === 20 && history[0] === text[0];
  await using fixture = start({
    logits: (history, vocabSize) =>
      isBad(history) ? new Float32Array(vocabSize).fill(NaN) : hashedLogits(history, vocabSize),
  });
  const bad = fixture.evaluate(scores, text);
  const good = fixture.evaluate(scores, text.slice(1));
  assert.equal((await bad.result).error?.code, "decode_failed");
  assert.deepEqual(scored(await good.result).logProbabilities, expectedScores(text.slice(1)));
});

test("a text beyond the context is refused with both numbers, one that goes on for a call never waits in vain", async () => {
  await using fixture = start({}, { maxWaitingGroupCount: 1 });
  const long = Array.from({ length: 257 }, () => 1);
  assert.throws(() => fixture.evaluate(scores, long), { code: "prompt_too_long", message: /257 .* 256/ });
  const first = fixture.evaluate(scores, text);
  assert.throws(() => fixture.evaluate(scores, text), { code: "queue_full" });
  const second = fixture.evaluate(scores, text, { hasPlace: true });
  assert.deepEqual((await second.result).output, (await first.result).output);
});
