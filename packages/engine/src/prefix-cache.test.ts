// Prefixes over the engine and the fake model: what is computed, counted in tokens, and that answers stay the same.

import assert from "node:assert/strict";
import { test } from "node:test";
import { createEngine, type EngineOptions } from "./engine.ts";
import type { Engine, GenerationHandle, GenerationRequest } from "./generation.ts";
import type { StepPlan } from "./scheduler/step-plan.ts";
import { createByteTokenizer } from "./testing/byte-tokenizer.ts";
import { createFakeClock } from "./testing/fake-clock.ts";
import {
  createFakeModel,
  hashedLogits,
  type FakeModel,
  type FakeModelOptions,
} from "./testing/fake-model.ts";
import { validGeneration } from "./testing/valid-generation.ts";

interface Fixture {
  readonly engine: Engine;
  readonly model: FakeModel;
  submit(promptIds: readonly number[], overrides?: Overrides): GenerationHandle;
  [Symbol.asyncDispose](): Promise<void>;
}

type Overrides = Partial<GenerationRequest> & { readonly parameters?: Readonly<Record<string, unknown>> };

const vocabSize = 260;
const fourTokens = { max_new_tokens: 4, eos_token_id: null };

function start(modelOptions: FakeModelOptions = {}, engineOptions: Partial<EngineOptions> = {}): Fixture {
  const model = createFakeModel({
    slotCount: 8,
    cellCount: 4096,
    contextLength: 2048,
    maxBatchTokenCount: 64,
    ...modelOptions,
  });
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
    submit(promptIds, { parameters = fourTokens, ...overrides } = {}) {
      return engine.submit({
        id: `generation ${count++}`,
        promptIds,
        generation: validGeneration(parameters, promptIds.length, { contextLength: 2048 }),
        owner: "test",
        priority: 0,
        deadlineAtMs: null,
        ...overrides,
      });
    },
    [Symbol.asyncDispose]: () => engine.stop({ drain: false }).catch(() => {}),
  };
}

/** Ids that look like text of their own. */
function ids(count: number, seed: number): number[] {
  return Array.from({ length: count }, (_, index) => (index * 31 + seed * 17) % 256);
}

function greedily(promptIds: readonly number[], count: number): number[] {
  const chosen: number[] = [];
  while (chosen.length < count) {
    const logits = hashedLogits([...promptIds, ...chosen], vocabSize);
    chosen.push(logits.indexOf(Math.max(...logits)));
  }
  return chosen;
}

test("a prompt that shares 300 of 512 tokens with an earlier one computes 212", async () => {
  await using fixture = start();
  const common = ids(300, 1);
  await fixture.submit([...common, ...ids(212, 2)]).result;
  const before = fixture.model.decodedTokenCount;
  const prompt = [...common, 7, ...ids(211, 3)];
  const result = await fixture.submit(prompt).result;
  // The four new tokens take three steps after the prompt's.
  assert.equal(fixture.model.decodedTokenCount - before, 212 + 3);
  assert.equal(result.usage.cachedTokenCount, 300);
  assert.deepEqual(result.sequences[0]!.ids, greedily(prompt, 4));
});

test("callers who come together wait for the one that computes their common prefix", async () => {
  await using fixture = start();
  const common = ids(200, 1);
  const prompts = Array.from({ length: 6 }, (_, index) => [...common, 250 - index, ...ids(9, index)]);
  const results = await Promise.all(prompts.map((prompt) => fixture.submit(prompt).result));
  assert.equal(fixture.model.decodedTokenCount, 200 + 6 * (10 + 3));
  for (const [index, { sequences }] of results.entries())
    assert.deepEqual(sequences[0]!.ids, greedily(prompts[index]!, 4));
  assert.deepEqual(
    results.map(({ usage }) => usage.cachedTokenCount),
    [0, 200, 200, 200, 200, 200],
  );
});

test("the next turn of a chat computes only what is new, the answer before it included in what is known", async () => {
  await using fixture = start();
  const first = ids(100, 1);
  const { sequences } = await fixture.submit(first).result;
  const second = [...first, ...sequences[0]!.ids, ...ids(20, 2)];
  const before = fixture.model.decodedTokenCount;
  const result = await fixture.submit(second).result;
  // The last token of the first answer was chosen and never computed.
  assert.equal(result.usage.cachedTokenCount, 103);
  assert.equal(fixture.model.decodedTokenCount - before, 21 + 3);
});

test("a follower whose leader leaves takes over its work, from where the leader had come", async () => {
  const chunks: number[] = [];
  let leader: GenerationHandle | null = null;
  await using fixture = start({
    maxBatchTokenCount: 64,
    beforeDecode: (plan, index) => {
      chunks.push(plan.tokenCount);
      if (index === 1) leader?.abort();
    },
  });
  const common = ids(300, 1);
  leader = fixture.submit([...common, 1]);
  const prompt = [...common, 2];
  const follower = fixture.submit(prompt);
  assert.equal((await leader.result).error?.code, "aborted");
  assert.deepEqual((await follower.result).sequences[0]!.ids, greedily(prompt, 4));
  // Two chunks of the leader were computed; the follower needed only the rest.
  assert.equal(fixture.model.decodedTokenCount, 301 + 3);
});

test("several followers of a leader that leaves still compute the prefix once", async () => {
  let leader: GenerationHandle | null = null;
  await using fixture = start({
    beforeDecode: (_plan, index) => (index === 1 ? leader?.abort() : undefined),
  });
  const common = ids(300, 1);
  leader = fixture.submit([...common, 1]);
  const followers = [2, 3, 4].map((last) => fixture.submit([...common, last]));
  for (const [index, { result }] of followers.entries())
    assert.deepEqual((await result).sequences[0]!.ids, greedily([...common, index + 2], 4));
  assert.equal(fixture.model.decodedTokenCount, 300 + 3 * (1 + 3));
});

test("a follower that is aborted leaves its leader alone", async () => {
  await using fixture = start();
  const common = ids(300, 1);
  const leader = fixture.submit([...common, 1]);
  const follower = fixture.submit([...common, 2]);
  follower.abort();
  assert.equal((await follower.result).error?.code, "aborted");
  assert.deepEqual((await leader.result).sequences[0]!.ids, greedily([...common, 1], 4));
});

test("prefixes are not shared between namespaces", async () => {
  await using fixture = start();
  const prompt = ids(100, 1);
  await fixture.submit(prompt, { namespace: "one" }).result;
  assert.equal((await fixture.submit(prompt, { namespace: "two" }).result).usage.cachedTokenCount, 0);
  assert.equal((await fixture.submit(prompt, { namespace: "one" }).result).usage.cachedTokenCount, 99);
});

test("with sharing off nothing is kept, and forks still share their prompt", async () => {
  await using fixture = start({}, { sharesPrefixes: false });
  const prompt = ids(50, 1);
  await fixture.submit(prompt).result;
  await fixture.submit(prompt).result;
  assert.equal(fixture.model.decodedTokenCount, 2 * (50 + 3));
  assert.equal(fixture.engine.load().keptCellCount, 0);
  const parameters = { ...fourTokens, do_sample: true, num_return_sequences: 4 };
  await fixture.submit(prompt, { parameters }).result;
  assert.equal(fixture.model.decodedTokenCount, 2 * (50 + 3) + 50 + 4 * 3);
});

test("of the kept prefixes those go first whose loss costs least for the room they give", async () => {
  const clock = createFakeClock();
  const beforeDecode = ({ tokenCount }: StepPlan) => clock.advance(1 + tokenCount);
  await using fixture = start({ slotCount: 3, cellCount: 512, beforeDecode }, { clock });
  const used = ids(60, 1);
  const unused = ids(60, 2);
  await fixture.submit([...used, 1]).result;
  await fixture.submit([...used, 2]).result;
  await fixture.submit(unused).result;
  // Three slots are kept or free; two new prompts need the room of one.
  await fixture.submit(ids(60, 3)).result;
  assert.equal((await fixture.submit([...used, 9]).result).usage.cachedTokenCount, 60);
});

test("where cells run out a generation gives up its place, and its answer stays the same", async () => {
  await using fixture = start({ slotCount: 4, cellCount: 100 });
  const prompts = [ids(30, 1), ids(30, 2), ids(30, 3)];
  const parameters = { max_new_tokens: 50, eos_token_id: null };
  const results = await Promise.all(prompts.map((prompt) => fixture.submit(prompt, { parameters }).result));
  for (const [index, { sequences, error }] of results.entries()) {
    assert.equal(error, null);
    assert.deepEqual(sequences[0]!.ids, greedily(prompts[index]!, 50));
  }
  assert.ok(fixture.engine.load().preemptionCount > 0);
});

test("a group of several sequences that is preempted goes on as a whole", async () => {
  const sampled = {
    max_new_tokens: 25,
    eos_token_id: null,
    do_sample: true,
    num_return_sequences: 3,
    seed: 5,
  };
  await using roomy = start({ cellCount: 1024 });
  const expected = await roomy.submit(ids(20, 2), { parameters: sampled }).result;
  await using fixture = start({ slotCount: 6, cellCount: 110 });
  const long = fixture.submit(ids(20, 1), { parameters: { max_new_tokens: 80, eos_token_id: null } });
  const group = fixture.submit(ids(20, 2), { parameters: sampled });
  assert.deepEqual((await group.result).sequences, expected.sequences);
  assert.deepEqual((await long.result).sequences[0]!.ids, greedily(ids(20, 1), 80));
  assert.ok(fixture.engine.load().preemptionCount > 0);
});

test("a thousand different prompts leave no more behind than there is room for", async () => {
  await using fixture = start({ slotCount: 8, cellCount: 300 });
  for (let round = 0; round < 100; round += 1) {
    await Promise.all(
      Array.from({ length: 10 }, (_, index) => fixture.submit(ids(20 + index, round * 10 + index)).result),
    );
  }
  const { usedCellCount, usedSlotCount, keptCellCount, keptSlotCount } = fixture.engine.load();
  assert.deepEqual([usedCellCount, usedSlotCount], [0, 0]);
  assert.ok(keptCellCount <= 300 && keptSlotCount <= 8);
});
