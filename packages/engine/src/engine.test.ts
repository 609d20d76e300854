// The engine over the fake model: what a caller sees of generations, aborts, failures and their neighbours.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ServingError } from "@corral/contract";
import { createEngine, type EngineOptions } from "./engine.ts";
import type { Engine, GenerationEvent, GenerationHandle, GenerationRequest } from "./generation.ts";
import type { StepPlan } from "./scheduler/step-plan.ts";
import { byteTokenIds, createByteTokenizer } from "./testing/byte-tokenizer.ts";
import { createFakeClock } from "./testing/fake-clock.ts";
import {
  createFakeModel,
  hashedLogits,
  type FakeModel,
  type FakeModelOptions,
} from "./testing/fake-model.ts";
import { validGeneration } from "./testing/valid-generation.ts";

type Parameters = Readonly<Record<string, unknown>>;

interface Fixture {
  readonly engine: Engine;
  readonly model: FakeModel;
  submit(
    parameters: Parameters,
    overrides?: Partial<GenerationRequest>,
    signal?: AbortSignal,
  ): GenerationHandle;
  [Symbol.asyncDispose](): Promise<void>;
}

const prompt = [byteTokenIds.bos, 72, 105, 33];

function start(modelOptions: FakeModelOptions = {}, engineOptions: Partial<EngineOptions> = {}): Fixture {
  const model = createFakeModel(modelOptions);
  const engine = createEngine({
    runner: model,
    vocabulary: createByteTokenizer(),
    integrityChecks: "step",
    ...engineOptions,
  });
  engine.run().catch(() => {});
  let count = 0;
  return {
    engine,
    model,
    submit(parameters, overrides = {}, signal) {
      const promptIds = overrides.promptIds ?? prompt;
      const request: GenerationRequest = {
        id: `generation ${count++}`,
        promptIds,
        generation: validGeneration(parameters, promptIds.length),
        owner: "test",
        priority: 0,
        deadlineAtMs: null,
        ...overrides,
      };
      return engine.submit(request, signal === undefined ? {} : { signal });
    },
    [Symbol.asyncDispose]: () => engine.stop({ drain: false }).catch(() => {}),
  };
}

/** A gate that holds every decode back until it is opened. */
function createGate(): {
  beforeDecode: (plan: StepPlan) => Promise<void>;
  open: () => void;
  reached: Promise<void>;
} {
  const opened = Promise.withResolvers<void>();
  const reached = Promise.withResolvers<void>();
  return {
    beforeDecode: () => {
      reached.resolve();
      return opened.promise;
    },
    open: opened.resolve,
    reached: reached.promise,
  };
}

function greedily(promptIds: readonly number[], count: number): number[] {
  const ids: number[] = [];
  while (ids.length < count) {
    const logits = hashedLogits([...promptIds, ...ids], 260);
    ids.push(logits.indexOf(Math.max(...logits)));
  }
  return ids;
}

/** Logits that make the ids of `script` come one after the other, whatever the prompt of `promptLength` is. */
function scripted(script: readonly number[], promptLength: number) {
  return (history: readonly number[], vocabSize: number): Float32Array => {
    const logits = new Float32Array(vocabSize);
    logits[script[history.length - promptLength] ?? 0] = 10;
    return logits;
  };
}

async function collect(handle: GenerationHandle): Promise<GenerationEvent[]> {
  const events: GenerationEvent[] = [];
  for await (const event of handle) events.push(event);
  return events;
}

const nine = { max_new_tokens: 9, eos_token_id: null };
const sampled = { ...nine, do_sample: true, seed: 11 };

test("a greedy generation gives the ids that recomputing every history gives", async () => {
  await using fixture = start();
  const { sequences, usage, error } = await fixture.submit(nine).result;
  assert.equal(error, null);
  assert.deepEqual(sequences[0]!.ids, greedily(prompt, 9));
  assert.equal(sequences[0]!.finishReason, "length");
  assert.deepEqual(usage, { promptTokenCount: 4, cachedTokenCount: 0, generatedTokenCount: 9 });
  assert.equal(fixture.model.decodedTokenCount, 4 + 8, "the last token is never computed");
});

test("a generation beside neighbours, in chunks of any size, gives the ids it gives alone", async () => {
  const prompts = [prompt, Array.from({ length: 40 }, (_, index) => index), [1], [9, 9, 9, 9, 9, 9, 9]];
  for (const maxBatchTokenCount of [8, 11, 64]) {
    await using fixture = start({ maxBatchTokenCount });
    const handles = prompts.map((promptIds) => fixture.submit(nine, { promptIds }));
    const results = await Promise.all(handles.map(({ result }) => result));
    assert.deepEqual(
      results.map(({ sequences }) => sequences[0]!.ids),
      prompts.map((promptIds) => greedily(promptIds, 9)),
    );
    assert.ok(
      [...fixture.engine.load().batchHistogram.keys()].some((count) => count > 1),
      "steps were shared",
    );
  }
});

test("the prompt of several sequences is computed once, and the first one is the same as alone", async () => {
  await using fixture = start({}, { sharesPrefixes: false });
  const alone = await fixture.submit(sampled).result;
  const before = fixture.model.decodedTokenCount;
  const many = await fixture.submit({ ...sampled, num_return_sequences: 4 }).result;
  assert.equal(fixture.model.decodedTokenCount - before, 4 + 4 * 8);
  assert.deepEqual(many.sequences[0], alone.sequences[0]);
  assert.equal(new Set(many.sequences.map(({ ids }) => ids.join())).size, 4, "the others differ");
  assert.equal(many.usage.generatedTokenCount, 36);
});

test("the same seed gives the same ids among concurrent generations, another seed or prompt index others", async () => {
  await using fixture = start();
  const alone = await fixture.submit(sampled).result;
  const handles = [11, 11, 12].map((seed) => fixture.submit({ ...sampled, seed }));
  handles.push(fixture.submit(sampled, { promptIndex: 1 }));
  const ids = (await Promise.all(handles.map(({ result }) => result))).map(
    ({ sequences }) => sequences[0]!.ids,
  );
  assert.deepEqual(ids[0], alone.sequences[0]!.ids);
  assert.deepEqual(ids[1], ids[0]);
  assert.notDeepEqual(ids[2], ids[0]);
  assert.notDeepEqual(ids[3], ids[0]);
});

test("greedy decoding ignores the seed; a seed that was not given is drawn and returned", async () => {
  await using fixture = start({}, { chooseSeed: () => 4711 });
  const [one, two, drawn] = await Promise.all([
    fixture.submit({ ...nine, seed: 1 }).result,
    fixture.submit({ ...nine, seed: 2 }).result,
    fixture.submit({ ...sampled, seed: null }).result,
  ]);
  assert.deepEqual(one.sequences, two.sequences);
  assert.equal(drawn.seed, 4711);
  const again = await fixture.submit({ ...sampled, seed: drawn.seed }).result;
  assert.deepEqual(again.sequences, drawn.sequences);
});

test("an end token stops a sequence, stays in its ids and is left out of its text", async () => {
  const script = [...Buffer.from("Hé"), byteTokenIds.eos, 65];
  await using fixture = start({ logits: scripted(script, prompt.length) });
  const { sequences } = await fixture.submit({ max_new_tokens: 9 }).result;
  assert.deepEqual(sequences, [
    { ids: script.slice(0, 4), text: "Hé", finishReason: "stop", generatedTokenCount: 4 },
  ]);
});

test("events come in one order and their text and ids make the result", async () => {
  const script = [...Buffer.from("aé"), byteTokenIds.eos];
  const logits = scripted(script, prompt.length);
  const beforeDecode = () => new Promise<void>((resolve) => setImmediate(resolve));
  await using fixture = start({ logits, beforeDecode }, { clock: createFakeClock(5) });
  const handle = fixture.submit({ max_new_tokens: 9 });
  assert.deepEqual(await collect(handle), [
    { kind: "admitted", atMs: 5 },
    { kind: "first_token", atMs: 5 },
    { kind: "text", sequence: 0, text: "a", ids: [97] },
    { kind: "text", sequence: 0, text: "", ids: [0xc3] },
    { kind: "text", sequence: 0, text: "é", ids: [0xa9] },
    { kind: "text", sequence: 0, text: "", ids: [byteTokenIds.eos] },
    { kind: "finished", sequence: 0, reason: "stop" },
    { kind: "ended", result: await handle.result },
  ]);
  assert.throws(() => handle[Symbol.asyncIterator](), TypeError);
});

test("an incomplete character at the end comes out as U+FFFD before the sequence is finished", async () => {
  await using fixture = start({ logits: scripted([0xc3], prompt.length) });
  const handle = fixture.submit({ max_new_tokens: 1 });
  const kinds = (await collect(handle)).slice(2, -1);
  assert.deepEqual(kinds, [
    { kind: "text", sequence: 0, text: "\uFFFD", ids: [0xc3] },
    { kind: "finished", sequence: 0, reason: "length" },
  ]);
  assert.equal((await handle.result).sequences[0]!.text, "\uFFFD");
});

test("a slow consumer holds nobody up and finds the text of each sequence in one event", async () => {
  await using fixture = start();
  const slow = fixture.submit({ ...sampled, num_return_sequences: 2, max_new_tokens: 50 });
  const { sequences } = await slow.result;
  const events = await collect(slow);
  assert.deepEqual(
    events.map(({ kind }) => kind),
    ["admitted", "first_token", "text", "text", "finished", "finished", "ended"],
  );
  const texts = events.filter((event) => event.kind === "text");
  assert.deepEqual(
    texts.map(({ ids }) => ids),
    sequences.map(({ ids }) => ids),
  );
});

test("shorter sequences are padded to the longest with the pad token", async () => {
  await using fixture = start({ contextLength: 128 });
  const parameters = { do_sample: true, max_new_tokens: 60, seed: 3, num_return_sequences: 4, top_k: 3 };
  const eos = Array.from({ length: 40 }, (_, index) => index * 6);
  const { sequences, paddedIds } = await fixture.submit({
    ...parameters,
    eos_token_id: eos,
    pad_token_id: 258,
  }).result;
  const lengths = sequences.map(({ ids }) => ids.length);
  const width = Math.max(...lengths);
  assert.ok(new Set(lengths).size > 1, "the sequences end at different lengths");
  for (const [row, { ids, finishReason }] of sequences.entries()) {
    assert.equal(finishReason, "stop");
    const padding = Array.from({ length: width - ids.length }, () => 258);
    assert.deepEqual(paddedIds[row], [...ids, ...padding]);
  }
});

test("timings are queue, prefill and decode, and the run time leaves the queue out", async () => {
  const clock = createFakeClock();
  await using fixture = start({ slotCount: 1, beforeDecode: () => clock.advance(10) }, { clock });
  const [first, second] = await Promise.all([fixture.submit(nine).result, fixture.submit(nine).result]);
  assert.deepEqual(first.timings, { queueMs: 0, prefillMs: 10, decodeMs: 80 });
  assert.deepEqual(second.timings, { queueMs: 90, prefillMs: 10, decodeMs: 80 });
});

test("the load tells the time in the model from the time beside it, and what became of the generations", async () => {
  const clock = createFakeClock(1_000);
  // What a decode does before it first waits is the host's.
  const beforeDecode = async () => {
    clock.advance(2);
    await Promise.resolve();
    clock.advance(10);
  };
  await using fixture = start({ beforeDecode }, { clock });
  await fixture.submit(nine, { receivedAtMs: 900 }).result;
  await new Promise((resolve) => setImmediate(resolve));
  // Idle by now.
  clock.advance(5_000);
  await fixture.engine.stop({ drain: true });
  const { decodeMs, hostMs, stepCount, prefillTokenCount, decodeTokenCount, generations } =
    fixture.engine.load();
  assert.deepEqual([stepCount, prefillTokenCount, decodeTokenCount], [9, 4, 8]);
  assert.deepEqual([decodeMs, hostMs], [90, 18]);
  assert.deepEqual([generations.promptTokenCount, generations.generatedTokenCount], [4, 9]);
  assert.deepEqual(generations.finishedCounts, {
    stop: 0,
    stop_sequence: 0,
    length: 1,
    time: 0,
    abort: 0,
    error: 0,
  });
  assert.ok(Math.abs(generations.timeToFirstTokenSeconds.sum - 0.112) < 1e-9);
});

test("aborting frees the sequence within one step and does not disturb its neighbour", async () => {
  const gate = createGate();
  await using fixture = start({ beforeDecode: gate.beforeDecode });
  const controller = new AbortController();
  const victim = fixture.submit(nine, {}, controller.signal);
  const neighbour = fixture.submit(nine, { promptIds: [1, 2, 3] });
  await gate.reached;
  controller.abort();
  gate.open();
  const { error, sequences, usage } = await victim.result;
  assert.equal(error?.code, "aborted");
  assert.deepEqual([sequences[0]!.finishReason, usage.generatedTokenCount], ["abort", 0]);
  assert.equal(fixture.engine.load().runningSequenceCount, 1);
  assert.deepEqual((await neighbour.result).sequences[0]!.ids, greedily([1, 2, 3], 9));
  await fixture.engine.stop({ drain: true });
  const { usedCellCount, usedSlotCount } = fixture.engine.load();
  assert.deepEqual([usedCellCount, usedSlotCount], [0, 0]);
});

test("a queued generation is aborted without a step of its own", async () => {
  await using fixture = start({ slotCount: 1 });
  const running = fixture.submit(nine);
  const queued = fixture.submit(nine);
  queued.abort();
  const { error, timings, usage } = await queued.result;
  assert.equal(error?.code, "aborted");
  assert.deepEqual([timings.prefillMs, timings.decodeMs, usage.promptTokenCount], [0, 0, 0]);
  assert.equal((await running.result).error, null);
});

test("a signal that is aborted already, and disposal, abort as well", async () => {
  await using fixture = start();
  const before = fixture.submit(nine, {}, AbortSignal.abort());
  assert.equal((await before.result).error?.code, "aborted");
  const handle = fixture.submit({ ...nine, max_new_tokens: 200 });
  await handle[Symbol.asyncDispose]();
  assert.equal((await handle.result).error?.code, "aborted");
});

test("a failed decode ends the generations of its step with the reason, and the loop goes on", async () => {
  const failure = new ServingError("decode_failed", "The model could not compute the step.");
  await using fixture = start({
    slotCount: 2,
    beforeDecode(_plan, index) {
      if (index === 2) throw failure;
    },
  });
  const failing = [fixture.submit(nine), fixture.submit(nine)];
  const waiting = fixture.submit(nine);
  for (const { error, sequences } of await Promise.all(failing.map(({ result }) => result))) {
    assert.equal(error?.code, "decode_failed");
    assert.deepEqual([sequences[0]!.ids.length, sequences[0]!.finishReason], [2, "error"]);
  }
  assert.deepEqual((await waiting.result).sequences[0]!.ids, greedily(prompt, 9));
});

test("an error that is not of one step ends the loop and leaves nobody waiting", async () => {
  const model = createFakeModel({
    beforeDecode() {
      throw new TypeError("a bug");
    },
  });
  const engine = createEngine({ runner: model, vocabulary: createByteTokenizer() });
  const request = { id: "a", promptIds: prompt, owner: "test", priority: 0, deadlineAtMs: null };
  const handle = engine.submit({ ...request, generation: validGeneration(nine, prompt.length) });
  await assert.rejects(engine.run(), /a bug/);
  const { error } = await handle.result;
  assert.equal(error?.code, "internal");
  assert.doesNotMatch(error.message, /a bug/, "the detail is withheld");
  assert.throws(() => engine.submit({ ...request, id: "b", generation: validGeneration(nine, 4) }), {
    code: "shutting_down",
  });
});

test("a model that gives no scores has failed, and so have parameters that leave no token", async () => {
  const cases = [
    [-Infinity, {}, "decode_failed"],
    [Number.NaN, {}, "decode_failed"],
    [0, { suppress_tokens: Array.from({ length: 4_000 }, (_, id) => id) }, "no_token_possible"],
  ] as const;
  for (const [logit, banned, code] of cases) {
    await using fixture = start({ logits: (_history, size) => new Float32Array(size).fill(logit) });
    const { error, sequences } = await fixture.submit({ ...sampled, ...banned }).result;
    assert.equal(error?.code, code);
    assert.equal(sequences[0]!.finishReason, "error");
  }
});

test("a full queue is refused with a time to retry", async () => {
  const gate = createGate();
  await using fixture = start({ slotCount: 1, beforeDecode: gate.beforeDecode }, { maxWaitingGroupCount: 1 });
  fixture.submit(nine);
  await gate.reached;
  fixture.submit(nine);
  assert.throws(
    () => fixture.submit(nine),
    (error: unknown) =>
      error instanceof ServingError && error.code === "queue_full" && error.retryAfterSeconds === 1,
  );
  gate.open();
});

test("settings made for another prompt, and an id that is under way, are refused as misuse", async () => {
  await using fixture = start();
  fixture.submit(nine, { id: "twice" });
  assert.throws(() => fixture.submit(nine, { id: "twice" }), { code: "engine_misuse" });
  assert.throws(() => fixture.submit({}, { generation: validGeneration({}, 3) }), { code: "engine_misuse" });
});

test("stopping with drain finishes what was submitted and refuses the rest", async () => {
  const fixture = start();
  const handles = [fixture.submit(nine), fixture.submit(nine)];
  const stopped = fixture.engine.stop({ drain: true });
  assert.throws(() => fixture.submit(nine), { code: "shutting_down" });
  await stopped;
  for (const { result } of handles) assert.equal((await result).error, null);
  const { usedCellCount, usedSlotCount } = fixture.engine.load();
  assert.deepEqual([usedCellCount, usedSlotCount], [0, 0]);
});

test("stopping without drain ends what was submitted as shutting_down", async () => {
  const fixture = start();
  const handle = fixture.submit({ ...nine, max_new_tokens: 200 });
  await fixture.engine.stop({ drain: false });
  const { error, sequences } = await handle.result;
  assert.equal(error?.code, "shutting_down");
  assert.equal(sequences[0]!.finishReason, "abort");
});

test("an idle engine waits without stepping and wakes for the next generation", async () => {
  await using fixture = start();
  await fixture.submit(nine).result;
  const { stepCount } = fixture.engine.load();
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(fixture.engine.load().stepCount, stepCount);
  assert.equal((await fixture.submit(nine).result).error, null);
  assert.equal(fixture.engine.load().stepCount, 2 * stepCount);
});

test("what cannot be begun is not waited for", async () => {
  let isFirst = true;
  const chooseSeed = () => {
    if (!isFirst) return 7;
    isFirst = false;
    throw new Error("no entropy");
  };
  const fixture = start({}, { chooseSeed });
  const sampled = { do_sample: true, max_new_tokens: 3 };
  assert.throws(() => fixture.submit(sampled), /no entropy/);
  assert.equal(fixture.engine.load().waitingGroupCount, 0);
  const { error, seed } = await fixture.submit(sampled).result;
  assert.deepEqual([error, seed], [null, 7]);
  await fixture.engine.stop({ drain: true });
});
