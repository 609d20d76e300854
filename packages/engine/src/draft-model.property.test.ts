// A draft model changes how many steps a generation takes, and nothing else; whatever it drafts and whatever befalls it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ServingError } from "@corral/contract";
import fc from "fast-check";
import { createEngine, type EngineOptions } from "./engine.ts";
import { byteTokenCount as vocabSize, createByteTokenizer } from "./testing/byte-tokenizer.ts";
import { createFakeClock } from "./testing/fake-clock.ts";
import {
  createFakeModel,
  hashedLogits,
  type FakeLogits,
  type FakeModelOptions,
} from "./testing/fake-model.ts";
import { generateNaively } from "./testing/naive-generation.ts";
import { validGeneration } from "./testing/valid-generation.ts";
import type { DraftModelSettings, GenerationSettings } from "./valid-generation.ts";

const vocabulary = createByteTokenizer();
type Parameters = Readonly<Record<string, unknown>>;

/** One id is likely, though by chance at times not the likeliest. */
function target(history: readonly number[], size: number): Float32Array {
  const logits = hashedLogits(history, size);
  const next = (history.at(-1)! * 3 + history.length) % 7;
  logits[next] = logits[next]! + 5;
  return logits;
}

/** Of another mind after every third id. */
const close: FakeLogits = (history, size) =>
  history.length % 3 === 0 ? hashedLogits([...history, 1], size) : target(history, size);

const kinds = {
  equal: target,
  close,
  unlike: (history: readonly number[], size: number) => hashedLogits([...history, 9], size),
} as const satisfies Record<string, FakeLogits>;

interface Costs {
  readonly fixedMs: number;
  readonly eachMs: number;
  readonly draftMs: number;
}

/** Each step takes `fixedMs` and `eachMs` for each token, each pass of the draft model `draftMs`, by the engine's clock. */
function start(
  { fixedMs, eachMs, draftMs }: Costs,
  draftOptions: FakeModelOptions,
  modelOptions: FakeModelOptions = {},
  engineOptions: Partial<EngineOptions> = {},
) {
  const clock = createFakeClock();
  const runner = createFakeModel({
    logits: target,
    ...modelOptions,
    beforeDecode(plan, index) {
      clock.advance(fixedMs + eachMs * plan.tokenCount);
      return modelOptions.beforeDecode?.(plan, index);
    },
  });
  const draftRunner = createFakeModel({
    logits: target,
    ...draftOptions,
    beforeDecode(plan, index) {
      clock.advance(draftMs);
      return draftOptions.beforeDecode?.(plan, index);
    },
  });
  const draftRunners = new Map([["small", draftRunner]]);
  const engine = createEngine({
    runner,
    draftRunners,
    vocabulary,
    clock,
    integrityChecks: "step",
    ...engineOptions,
  });
  engine.run().catch(() => {});
  let count = 0;
  return {
    engine,
    runner,
    draftRunner,
    async generate(
      promptIds: readonly number[],
      parameters: Parameters,
      settings: Partial<GenerationSettings>,
      signal?: AbortSignal,
    ) {
      const given = { eos_token_id: null, pad_token_id: 0, seed: 5, ...parameters };
      const generation = { ...validGeneration(given, promptIds.length), ...settings };
      const id = `generation ${count++}`;
      const request = { id, promptIds, generation, owner: "test", priority: 0, deadlineAtMs: null };
      const before = runner.plans.length;
      const result = await engine.submit(request, signal === undefined ? {} : { signal }).result;
      return { ...result, generation, stepCount: runner.plans.length - before };
    },
    [Symbol.asyncDispose]: () => engine.stop({ drain: false }),
  };
}

const draftModel = fc.record({
  name: fc.constant("small"),
  draftTokenCount: fc.integer({ min: 1, max: 12 }),
  schedule: fc.constantFrom<DraftModelSettings["schedule"]>("constant", "heuristic", "heuristic_transient"),
  confidenceThreshold: fc.constantFrom(0, 0.3, 0.9),
});
const smallIds = fc.array(fc.nat({ max: 6 }), { minLength: 1, maxLength: 25 });
const call = fc.record({
  prompt: smallIds,
  draftModel,
  isAborted: fc.boolean(),
  parameters: fc.record(
    {
      max_new_tokens: fc.integer({ min: 1, max: 30 }),
      do_sample: fc.boolean(),
      repetition_penalty: fc.constantFrom(1, 1.2, 0.9),
      top_k: fc.constantFrom(0, 3),
      min_new_tokens: fc.constantFrom(4, 9),
      eos_token_id: fc.constantFrom(null, 3, [2, 5]),
    },
    { requiredKeys: ["max_new_tokens"] },
  ),
  settings: fc.record(
    {
      stopStrings: fc.constantFrom(["\u0001\u0002"], ["\u0004", "\u0000\u0001\u0000"]),
      noRepeatNgramSize: fc.constantFrom(3, 4),
      guidance: fc.record({ scale: fc.constantFrom(1.5, 0.7), negativePromptIds: smallIds }),
      logprobCount: fc.constant(1),
      outputScores: fc.constant({ topCount: null }),
    },
    { requiredKeys: [] },
  ),
});
const naiveModel = { logits: target, vocabSize, vocabulary };

test("the ids are those of plain decoding, whatever the draft model is, costs, has room for and fails at", async () => {
  let savedStepCount = 0;
  let draftedStepCount = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(call, { minLength: 1, maxLength: 4 }),
      fc.constantFrom(
        { fixedMs: 20, eachMs: 0.1, draftMs: 1 },
        { fixedMs: 5, eachMs: 5, draftMs: 5 },
        { fixedMs: 0, eachMs: 0, draftMs: 0 },
      ),
      fc.record({
        kind: fc.constantFrom("equal", "close", "unlike"),
        slotCount: fc.integer({ min: 1, max: 4 }),
        cellCount: fc.constantFrom(40, 60, 400),
        contextLength: fc.constantFrom(20, 256),
        maxBatchTokenCount: fc.constantFrom(4, 64),
        failsEvery: fc.constantFrom(0, 0, 3, 7),
        failure: fc.constantFrom("decode_failed", "out_of_cells"),
        abortsAt: fc.integer({ min: 0, max: 20 }),
      }),
      fc.constantFrom(12, 20, 64),
      fc.constantFrom(250, 1024),
      async (calls, costs, draft, maxBatchTokenCount, cellCount) => {
        const aborter = new AbortController();
        const { kind, failsEvery, failure, abortsAt, ...limits } = draft;
        const options: FakeModelOptions = {
          ...limits,
          logits: kinds[kind],
          beforeDecode(_plan, index) {
            if (index === abortsAt) aborter.abort();
            if (failsEvery > 0 && index % failsEvery === failsEvery - 1) throw new ServingError(failure, "x");
          },
        };
        await using fixture = start(costs, options, { maxBatchTokenCount, cellCount, slotCount: 12 });
        // So that the first step's cost is known before the calls begin.
        await fixture.generate([1, 2], { max_new_tokens: 2 }, {});
        await Promise.all(
          calls.map(async ({ prompt, draftModel, isAborted, parameters, settings }) => {
            const { sequences, generation, error, stepCount } = await fixture.generate(
              prompt,
              parameters,
              { ...settings, draftModel },
              isAborted ? aborter.signal : undefined,
            );
            const [{ ids, recorded }] = sequences as [(typeof sequences)[0]];
            const naive = generateNaively(naiveModel, generation, prompt, 5, 0);
            if (isAborted && error !== null) {
              assert.equal(error.code, "aborted");
              assert.deepEqual(ids, naive.ids.slice(0, ids.length));
              return;
            }
            assert.equal(error, null);
            assert.deepEqual(ids, naive.ids);
            if (calls.length === 1) savedStepCount += Math.max(0, ids.length - stepCount);
            if (generation.outputScores === null) return;
            assert.deepEqual(
              recorded!.map(({ scores }) => scores),
              naive.scores,
            );
          }),
        );
        const load = fixture.engine.load();
        assert.equal(load.usedCellCount, 0);
        assert.ok(load.acceptedTokenCount <= load.draftedTokenCount);
        assert.equal(fixture.draftRunner.usedCellCount, 0, "the draft model's cells are free again");
        draftedStepCount += fixture.draftRunner.plans.length;
      },
    ),
    { numRuns: 300 },
  );
  assert.ok(draftedStepCount > 0, "drafts were made");
  assert.ok(savedStepCount > 0, "drafts were verified");
});

const prompt = [1, 2, 3];
const settings = {
  draftModel: { name: "small", draftTokenCount: 8, schedule: "constant", confidenceThreshold: 0 },
} as const satisfies Partial<GenerationSettings>;
const cheapDrafts = { fixedMs: 20, eachMs: 0.1, draftMs: 1 };

for (const doSample of [false, true]) {
  const way = doSample ? "sampled" : "greedy";
  test(`${way}: a draft model of the same mind is always right, and saves most steps`, async () => {
    await using fixture = start(cheapDrafts, {});
    const parameters = { max_new_tokens: 64, do_sample: doSample, top_k: 5 };
    const plain = await fixture.generate(prompt, parameters, {});
    const drafted = await fixture.generate(prompt, parameters, settings);
    assert.deepEqual(drafted.sequences, plain.sequences);
    assert.ok(drafted.stepCount <= 16, `${drafted.stepCount} steps`);
    const { draftedTokenCount, acceptedTokenCount } = fixture.engine.load();
    assert.ok(acceptedTokenCount >= 48);
    assert.equal(acceptedTokenCount, draftedTokenCount);
  });
}

test("what costs more than it saves is left off after a few tries, and tried again at times", async () => {
  for (const [costs, logits] of [
    [{ fixedMs: 20, eachMs: 0.1, draftMs: 40 }, target],
    [cheapDrafts, kinds.unlike],
  ] as const) {
    await using fixture = start(costs, { logits });
    const { sequences } = await fixture.generate(prompt, { max_new_tokens: 200 }, settings);
    assert.equal(sequences[0]!.ids.length, 200);
    const passCount = fixture.draftRunner.plans.length;
    assert.ok(passCount > 0 && passCount <= 50, `${passCount} passes`);
  }
});

test("several generations are drafted together, as many as the draft model has slots; others decode plainly", async () => {
  await using fixture = start(cheapDrafts, { slotCount: 2 });
  const parameters = { max_new_tokens: 40 };
  const results = await Promise.all(
    [1, 2, 3].map((id) => fixture.generate([id, ...prompt], parameters, settings)),
  );
  for (const { sequences } of results) assert.equal(sequences[0]!.ids.length, 40);
  const widths = fixture.draftRunner.plans.map(({ entries }) => entries.length);
  assert.equal(Math.max(...widths), 2);
  assert.equal(fixture.draftRunner.usedCellCount, 0);
});

test("the wait for drafts is no cost of a step: they go on where they pay but a little", async () => {
  await using fixture = start({ fixedMs: 20, eachMs: 0, draftMs: 11 }, {});
  // Were it counted as the step's, too, no draft would seem to pay.
  await fixture.generate(prompt, { max_new_tokens: 60 }, settings);
  const { stepCount } = await fixture.generate(prompt, { max_new_tokens: 60 }, settings);
  assert.ok(stepCount < 40, `${stepCount} steps`);
});

test("a long prompt is caught up on in parts, between which others get their tokens", async () => {
  const options = { cellCount: 4096, contextLength: 2048, maxBatchTokenCount: 512 };
  await using fixture = start({ fixedMs: 50, eachMs: 0.01, draftMs: 1 }, options, options);
  const long = Array.from({ length: 1200 }, (_, index) => index % 7);
  const generation = {
    ...validGeneration({ max_new_tokens: 60 }, 10),
    maxLength: 1260,
    promptTokenCount: 1200,
  };
  const request = { id: "long", promptIds: long, owner: "test", priority: 0, deadlineAtMs: null };
  const settled = { ...generation, ...settings, endTokenIds: [] } as typeof generation;
  const { sequences } = await fixture.engine.submit({ ...request, generation: settled }).result;
  assert.equal(sequences[0]!.ids.length, 60);
  assert.ok(Math.max(...fixture.draftRunner.plans.map(({ tokenCount }) => tokenCount)) <= 256);
  assert.ok(fixture.engine.load().acceptedTokenCount > 30);
});

test("an error that is not of one pass ends the draft model, and generations go on plainly", async () => {
  let tryCount = 0;
  const beforeDecode = () => {
    tryCount += 1;
    throw new Error("broken");
  };
  await using fixture = start(cheapDrafts, { beforeDecode });
  const plain = await fixture.generate(prompt, { max_new_tokens: 20 }, {});
  for (const _ of [1, 2]) {
    const { error, sequences } = await fixture.generate(prompt, { max_new_tokens: 20 }, settings);
    assert.equal(error, null);
    assert.deepEqual(sequences, plain.sequences);
  }
  assert.equal(tryCount, 1, "it is not tried again");
});

test("the schedule adds two tokens where all were right and takes one away where not; heuristic goes on in the next generation", async () => {
  await using fixture = start({ fixedMs: 20, eachMs: 0, draftMs: 0 }, {});
  const firstDraft = async (schedule: DraftModelSettings["schedule"]) => {
    const before = fixture.runner.plans.length;
    const draftModel = { ...settings.draftModel, draftTokenCount: 2, schedule };
    await fixture.generate(prompt, { max_new_tokens: 40 }, { draftModel });
    return fixture.runner.plans
      .slice(before)
      .map(({ tokenCount }) => tokenCount - 1)
      .slice(1, 4);
  };
  // A generation before: nothing was measured in the very first.
  await firstDraft("constant");
  assert.deepEqual(await firstDraft("constant"), [2, 2, 2]);
  assert.deepEqual(await firstDraft("heuristic_transient"), [2, 4, 6]);
  assert.deepEqual(await firstDraft("heuristic_transient"), [2, 4, 6]);
  assert.deepEqual(await firstDraft("heuristic"), [2, 4, 6]);
  assert.ok((await firstDraft("heuristic"))[0]! > 2);
});
