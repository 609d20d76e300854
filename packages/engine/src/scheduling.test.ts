// What callers of one engine feel of each other: step lengths, fairness between owners, deadlines and full queues.
// Time is a model's: a step takes 5 ms and 1 ms for each of its tokens.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ServingError } from "@corral/contract";
import { createEngine, type EngineOptions } from "./engine.ts";
import type { Engine, GenerationHandle, GenerationRequest } from "./generation.ts";
import type { StepPlan } from "./scheduler/step-plan.ts";
import { createByteTokenizer } from "./testing/byte-tokenizer.ts";
import { createFakeClock, type FakeClock } from "./testing/fake-clock.ts";
import { createFakeModel, type FakeModel, type FakeModelOptions } from "./testing/fake-model.ts";
import { validGeneration } from "./testing/valid-generation.ts";

const stepMs = ({ tokenCount }: StepPlan) => 5 + tokenCount;

interface Fixture {
  readonly engine: Engine;
  readonly model: FakeModel;
  readonly clock: FakeClock;
  submit(
    promptTokenCount: number,
    newTokenCount: number,
    overrides?: Partial<GenerationRequest>,
  ): GenerationHandle;
  [Symbol.asyncDispose](): Promise<void>;
}

function start(modelOptions: FakeModelOptions = {}, engineOptions: Partial<EngineOptions> = {}): Fixture {
  const clock = createFakeClock();
  const model = createFakeModel({
    slotCount: 40,
    cellCount: 20_000,
    contextLength: 4096,
    maxBatchTokenCount: 512,
    ...modelOptions,
    async beforeDecode(plan, index) {
      clock.advance(stepMs(plan));
      await modelOptions.beforeDecode?.(plan, index);
    },
  });
  const engine = createEngine({
    runner: model,
    vocabulary: createByteTokenizer(),
    integrityChecks: "step",
    maxStepMs: 50,
    clock,
    ...engineOptions,
  });
  engine.run().catch(() => {});
  let count = 0;
  return {
    engine,
    model,
    clock,
    submit(promptTokenCount, newTokenCount, overrides = {}) {
      const number = count++;
      const promptIds = Array.from(
        { length: promptTokenCount },
        (_, index) => (index * 7 + number * 13) % 256,
      );
      const parameters = { max_new_tokens: newTokenCount, eos_token_id: null };
      return engine.submit({
        id: `generation ${number}`,
        promptIds,
        generation: validGeneration(parameters, promptTokenCount, { contextLength: 4096 }),
        owner: "somebody",
        priority: 0,
        deadlineAtMs: null,
        ...overrides,
      });
    },
    [Symbol.asyncDispose]: () => engine.stop({ drain: false }).catch(() => {}),
  };
}

async function untilFirstToken(handle: GenerationHandle): Promise<void> {
  for await (const event of handle) if (event.kind === "first_token") return;
}

test("somebody's long prompt delays the next token of others by the bound, and no more", async () => {
  await using fixture = start();
  // What steps cost is learned from what there was before.
  await fixture.submit(300, 30).result;
  const talking = fixture.submit(10, 400);
  await untilFirstToken(talking);
  const first = fixture.model.plans.length;
  await fixture.submit(3000, 1).result;
  // One next token alone takes 6 ms.
  const delays = fixture.model.plans.slice(first + 1).map((plan) => stepMs(plan) - 6);
  assert.ok(Math.max(...delays) <= 50, `the longest delay was ${Math.max(...delays)} ms`);
  const chunks = delays.filter((delay) => delay > 0);
  assert.ok(Math.min(...chunks.slice(0, -1)) > 40, "and the prompt takes what the bound leaves");
});

test("alone, a prompt goes on by as much as a step may hold", async () => {
  await using fixture = start({}, { maxStepMs: 1_000 });
  await fixture.submit(300, 3).result;
  const first = fixture.model.plans.length;
  await fixture.submit(1024, 1).result;
  assert.deepEqual(
    fixture.model.plans.slice(first).map(({ tokenCount }) => tokenCount),
    [512, 512],
  );
});

test("a guest beside a hog's many streams waits little longer than alone", async () => {
  async function timeToFirstToken(hogStreams: number): Promise<number> {
    await using fixture = start();
    await fixture.submit(300, 30, { owner: "guest" }).result;
    const hogs = Array.from({ length: hogStreams }, () => fixture.submit(100, 300, { owner: "hog" }));
    await Promise.all(hogs.map(untilFirstToken));
    const { timings } = await fixture.submit(256, 4, { owner: "guest" }).result;
    return timings.queueMs + timings.prefillMs;
  }
  const alone = await timeToFirstToken(0);
  const beside = await timeToFirstToken(10);
  // 256 tokens at 34 a step of 50 ms, as the ten streams take their part of each.
  assert.ok(beside <= alone + 2 * 50 + 8 * 15, `${alone} ms alone, ${beside} ms beside the hog`);
});

test("an owner who holds every slot gives some up for one who holds none", async () => {
  await using fixture = start({ slotCount: 8 });
  const hogs = Array.from({ length: 8 }, () => fixture.submit(50, 150, { owner: "hog" }));
  await Promise.all(hogs.map(untilFirstToken));
  const { timings } = await fixture.submit(20, 10, { owner: "guest" }).result;
  assert.ok(timings.queueMs <= 50, `it waited ${timings.queueMs} ms, and a step takes at most 50`);
  assert.equal(fixture.engine.load().preemptionCount, 1);
  for (const { result } of hogs) assert.equal((await result).error, null);
});

test("an owner within its share is not made to give anything up", async () => {
  await using fixture = start({ slotCount: 8 });
  const first = Array.from({ length: 4 }, () => fixture.submit(50, 60, { owner: "one" }));
  const second = Array.from({ length: 4 }, () => fixture.submit(50, 60, { owner: "two" }));
  const more = Array.from({ length: 4 }, () => fixture.submit(50, 60, { owner: "one" }));
  await Promise.all([...first, ...second, ...more].map(({ result }) => result));
  assert.equal(fixture.engine.load().preemptionCount, 0);
});

test("over time owners get their shares by weight, however much one of them asks for", async () => {
  await using fixture = start({ slotCount: 1 });
  const order: string[] = [];
  const submit = (owner: string) =>
    fixture
      .submit(20, 10, { owner, weight: owner === "heavy" ? 3 : 1 })
      .result.then(() => void order.push(owner));
  const all = [...Array(24)].map(() => submit("light")).concat([...Array(12)].map(() => submit("heavy")));
  await Promise.all(all);
  const whileBoth = order.slice(0, order.lastIndexOf("heavy") + 1);
  const lightCount = whileBoth.filter((owner) => owner === "light").length;
  assert.ok(lightCount >= 3 && lightCount <= 6, `${lightCount} of the light owner's while 12 of the other's`);
});

test("inside an owner the first to come is the first to be served", async () => {
  await using fixture = start({ slotCount: 1 });
  const order: number[] = [];
  await Promise.all(
    [0, 1, 2, 3, 4].map(async (index) => {
      await fixture.submit(10 + index, 3).result;
      order.push(index);
    }),
  );
  assert.deepEqual(order, [0, 1, 2, 3, 4]);
});

/** Times of the steps that take in a prompt of 256 tokens, which comes when `streamCount` streams of a hog are running. */
async function stepsOfPrompt(
  owner: string,
  streamCount: number,
  options: Partial<EngineOptions> = {},
): Promise<number[]> {
  const times: number[] = [];
  let late: GenerationHandle | null = null;
  const beforeDecode = (plan: StepPlan, index: number) => {
    if (late !== null && plan.entries.some(({ tokens }) => tokens.length > 1)) times.push(stepMs(plan));
    if (index === 60) late = fixture.submit(256, 2, { owner });
  };
  await using fixture = start({ beforeDecode }, options);
  const streams = Array.from({ length: streamCount }, () => fixture.submit(8, 120, { owner: "hog" }));
  await Promise.all(streams.map(({ result }) => result));
  return times;
}

test("a guest's prompt has the bound to itself beside many streams, and no step is twice as long", async () => {
  // Thirty-two next tokens take 37 of the 50 ms, which would leave 16 steps or more.
  const times = await stepsOfPrompt("guest", 32);
  assert.ok(times.length >= 5 && times.length <= 8, `${times.length} steps`);
  assert.ok(Math.max(...times) <= 100, `${Math.max(...times)} ms`);
});

test("a prompt has the bound to itself also where the others' next tokens take more than that", async () => {
  // 37 ms of next tokens and the bound: 25 ms for some 25 tokens, not the 16 that every prompt goes on by.
  const times = await stepsOfPrompt("guest", 32, { maxStepMs: 25 });
  assert.ok(times.length >= 9 && times.length <= 13, `${times.length} steps`);
  assert.ok(Math.max(...times) <= 37 + 25 + 1, `${Math.max(...times)} ms`);
});

test("a prompt of the streams' own owner delays them by no more, and no less", async () => {
  const times = await stepsOfPrompt("hog", 20);
  assert.ok(times.length >= 5 && times.length <= 8, `${times.length} steps`);
  assert.ok(Math.max(...times) <= 25 + 50 + 1, `${Math.max(...times)} ms`);
});

test("a deadline for the queue ends what still waits, and not what has begun", async () => {
  await using fixture = start({ slotCount: 1 });
  const running = fixture.submit(20, 100, { queueDeadlineAtMs: fixture.clock.now() + 10 });
  const waiting = fixture.submit(20, 5, { queueDeadlineAtMs: fixture.clock.now() + 100 });
  const { error } = await waiting.result;
  assert.equal(error?.code, "timeout");
  assert.match(error?.message ?? "", /not begun by its deadline/);
  assert.equal((await running.result).error, null);
});

test("callers who find the queue full are told different times, spread as places become free", async () => {
  await using fixture = start({ slotCount: 1 }, { maxWaitingGroupCount: 4 });
  // Each takes one step for 20 tokens and nine more for one each: 25 + 9 · 6 = 79 ms.
  for (let round = 0; round < 5; round += 1)
    await Promise.all(Array.from({ length: 4 }, () => fixture.submit(20, 10).result));
  // A quiet night is no measure of how fast places become free.
  fixture.clock.advance(36_000_000);
  await untilFirstToken(fixture.submit(20, 10));
  for (let waiting = 0; waiting < 4; waiting += 1) fixture.submit(20, 10);
  const refusedSeconds = Array.from({ length: 3 }, () => {
    try {
      fixture.submit(20, 10);
    } catch (error) {
      if (error instanceof ServingError && error.code === "queue_full") return error.retryAfterSeconds ?? 0;
    }
    return assert.fail("the queue is full");
  });
  for (const [index, seconds] of refusedSeconds.entries()) {
    const expected = 0.079 * (index + 1);
    assert.ok(Math.abs(seconds - expected) < 0.3 * expected, `${seconds} s, not ${expected} s`);
  }
});

test("a storm of callers who leave at any time leaves nothing behind, and the others get their answers", async () => {
  let leaving: GenerationHandle[] = [];
  let longestMs = 0;
  await using fixture = start(
    {
      slotCount: 16,
      cellCount: 2_000,
      beforeDecode(plan) {
        leaving.shift()?.abort();
        if (plan.entries.some(({ tokens }) => tokens.length === 1))
          longestMs = Math.max(longestMs, stepMs(plan));
      },
    },
    { maxWaitingGroupCount: 300 },
  );
  const handles = Array.from({ length: 200 }, (_, index) => fixture.submit(20 + (index % 50), 12));
  leaving = handles.filter((_, index) => index % 2 === 0).toSorted((a, b) => a.id.localeCompare(b.id));
  const results = await Promise.all(handles.map(({ result }) => result));
  for (const [index, { error, sequences }] of results.entries()) {
    if (index % 2 === 1) assert.deepEqual([error, sequences[0]!.ids.length], [null, 12]);
    else assert.ok(error === null || error.code === "aborted");
  }
  assert.ok(results.filter(({ error }) => error !== null).length > 40);
  assert.ok(longestMs <= 100, `no step takes twice the bound, not even ${longestMs} ms`);
  const { usedCellCount, usedSlotCount, runningGroupCount, waitingGroupCount } = fixture.engine.load();
  assert.deepEqual([usedCellCount, usedSlotCount, runningGroupCount, waitingGroupCount], [0, 0, 0, 0]);
});
