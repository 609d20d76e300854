// What the engine keeps of the scores behind each token: against recomputing every step.

import assert from "node:assert/strict";
import { test } from "node:test";
import { createEngine, type EngineOptions } from "./engine.ts";
import type { GenerationHandle } from "./generation.ts";
import { logSoftmax } from "./logits/log-softmax.ts";
import { createPipeline, processScores } from "./logits/pipeline.ts";
import { topScores } from "./logits/top-scores.ts";
import { byteTokenCount as vocabSize, createByteTokenizer } from "./testing/byte-tokenizer.ts";
import { createFakeModel, hashedLogits, type FakeModelOptions } from "./testing/fake-model.ts";
import { validGeneration } from "./testing/valid-generation.ts";
import type { GenerationSettings } from "./valid-generation.ts";

type Parameters = Readonly<Record<string, unknown>>;

const prompt = [256, 72, 105, 33];
const whole = { topCount: null };

function start(modelOptions: FakeModelOptions = {}, engineOptions: Partial<EngineOptions> = {}) {
  const runner = createFakeModel(modelOptions);
  const options = { runner, vocabulary: createByteTokenizer(), integrityChecks: "step", ...engineOptions };
  const engine = createEngine(options as EngineOptions);
  engine.run().catch(() => {});
  let count = 0;
  const resolve = (parameters: Parameters, settings: Partial<GenerationSettings>) => ({
    ...validGeneration({ max_new_tokens: 6, eos_token_id: null, ...parameters }, prompt.length),
    ...settings,
  });
  return {
    engine,
    resolve,
    submit(parameters: Parameters, settings: Partial<GenerationSettings>): GenerationHandle {
      const generation = resolve(parameters, settings);
      const id = `generation ${count++}`;
      return engine.submit({
        id,
        promptIds: prompt,
        generation,
        owner: "test",
        priority: 0,
        deadlineAtMs: null,
      });
    },
    [Symbol.asyncDispose]: () => engine.stop({ drain: false }),
  };
}

/** Raw logits and processed scores of the position after `ids`. */
function rowsAfter(ids: readonly number[], settings: GenerationSettings) {
  const tokens = [...prompt, ...ids];
  const logits = hashedLogits(tokens, vocabSize);
  const scores = logits.slice();
  const environment = { vocabSize, minKeepCount: 1, scratch: new Float64Array(vocabSize) };
  processScores(createPipeline(settings, environment), scores, tokens);
  return { logits, scores };
}

const sampling = { do_sample: true, seed: 4, top_k: 20, temperature: 0.7, repetition_penalty: 1.3 };

test("whole rows of processed scores and raw logits are kept for each step of each sequence", async () => {
  await using fixture = start();
  for (const parameters of [
    {},
    { repetition_penalty: 1.3 },
    sampling,
    { ...sampling, num_return_sequences: 3 },
  ]) {
    const settings = { outputScores: whole, outputLogits: whole };
    const { sequences, error } = await fixture.submit(parameters, settings).result;
    const plain = await fixture.submit(parameters, {}).result;
    assert.equal(error, null);
    assert.deepEqual(
      sequences.map(({ ids }) => ids),
      plain.sequences.map(({ ids }) => ids),
      "recording changes no id",
    );
    for (const { ids, recorded } of sequences) {
      assert.equal(recorded?.length, ids.length);
      for (const [step, { scores, logits, logprobs }] of recorded.entries()) {
        const expected = rowsAfter(ids.slice(0, step), fixture.resolve(parameters, {}));
        assert.deepEqual(logits, expected.logits);
        assert.deepEqual(scores, expected.scores);
        assert.equal(logprobs, null);
      }
    }
  }
});

test("of the best few of each row no token is impossible, and the chosen one is always told", async () => {
  await using fixture = start();
  const settings = { outputScores: { topCount: 30 }, outputLogits: { topCount: 0 } };
  const { sequences } = await fixture.submit(sampling, settings).result;
  for (const { ids, recorded } of sequences) {
    for (const [step, { scores, logits }] of recorded!.entries()) {
      const expected = rowsAfter(ids.slice(0, step), fixture.resolve(sampling, {}));
      const top = topScores(expected.scores, 20, 0);
      assert.deepEqual(scores, { chosen: expected.scores[ids[step]!], top });
      assert.deepEqual(logits, { chosen: expected.logits[ids[step]!], top: [] });
    }
  }
});

test("log-probabilities are those of the model's own row, in the result as in the stream", async () => {
  await using fixture = start();
  const handle = fixture.submit(sampling, { logprobCount: 2 });
  const streamed: unknown[] = [];
  for await (const event of handle) {
    if (event.kind !== "text" || event.ids.length === 0) continue;
    assert.equal(event.logprobs?.length, event.ids.length);
    streamed.push(...event.logprobs);
  }
  const [sequence] = (await handle.result).sequences;
  const expected = sequence!.ids.map((id, step) => {
    const { logits } = rowsAfter(sequence!.ids.slice(0, step), fixture.resolve(sampling, {}));
    logSoftmax(logits);
    return { chosen: logits[id], top: topScores(logits, 2, 0) };
  });
  assert.deepEqual(
    sequence!.recorded!.map(({ logprobs }) => logprobs),
    expected,
  );
  assert.deepEqual(streamed, expected);
});

test("a preempted generation has recorded each step once", async () => {
  const model = { slotCount: 4, cellCount: 40 };
  await using fixture = start(model);
  const parameters = { max_new_tokens: 24 };
  const handles = [1, 2, 3].map(() => fixture.submit(parameters, { outputScores: whole }));
  for (const { result } of handles) {
    const [{ ids, recorded } = { ids: [], recorded: [] }] = (await result).sequences;
    assert.equal(ids.length, 24);
    assert.equal(recorded?.length, 24);
    assert.deepEqual(recorded[20]?.scores, rowsAfter(ids.slice(0, 20), fixture.resolve({}, {})).scores);
  }
  assert.ok(fixture.engine.load().preemptionCount > 0);
});

test("more scores than may be kept are refused beforehand, and a place is asked to be waited for", async () => {
  const rowBytes = vocabSize * 4;
  await using fixture = start({}, { maxRecordedBytes: 10 * rowBytes });
  const refused = (code: string) => (error: unknown) => (error as { code?: unknown }).code === code;
  assert.throws(
    () => fixture.submit({ max_new_tokens: 11 }, { outputScores: whole }),
    refused("invalid_parameter"),
  );
  const first = fixture.submit({ max_new_tokens: 6 }, { outputScores: whole });
  assert.throws(() => fixture.submit({ max_new_tokens: 6 }, { outputLogits: whole }), refused("queue_full"));
  const few = fixture.submit({ max_new_tokens: 6 }, { logprobCount: 3 });
  await Promise.all([first.result, few.result]);
  const { error } = await fixture.submit({ max_new_tokens: 10 }, { outputLogits: whole }).result;
  assert.equal(error, null, "what ended makes room");
});
