// Prefixes that outlive their place in the cache and the engine itself. Time is a model's: 1 ms for each token of a
// step, so that moving a prefix is worth it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ServingError } from "@corral/contract";
import { createEngine, type EngineOptions } from "./engine.ts";
import type { EngineLoad, GenerationHandle, GenerationResult } from "./generation.ts";
import { createByteTokenizer } from "./testing/byte-tokenizer.ts";
import { createFakeClock } from "./testing/fake-clock.ts";
import {
  createFakeModel,
  hashedLogits,
  type FakeModel,
  type FakeModelOptions,
} from "./testing/fake-model.ts";
import { createMemoryPrefixStore, type MemoryPrefixStore } from "./testing/memory-prefix-store.ts";
import { validGeneration } from "./testing/valid-generation.ts";

interface Life {
  readonly model: FakeModel;
  load(): EngineLoad;
  submit(
    promptIds: readonly number[],
    namespace?: string,
    parameters?: Readonly<Record<string, unknown>>,
  ): GenerationHandle;
  end(): Promise<void>;
}

function live(
  store: MemoryPrefixStore,
  modelOptions: FakeModelOptions = {},
  engineOptions: Partial<EngineOptions> = {},
  tokenMs = 1,
): Life {
  const clock = createFakeClock();
  const model = createFakeModel({
    slotCount: 4,
    cellCount: 2048,
    contextLength: 2048,
    maxBatchTokenCount: 128,
    ...modelOptions,
    async beforeDecode(plan, index) {
      clock.advance(plan.tokenCount * tokenMs);
      await modelOptions.beforeDecode?.(plan, index);
    },
  });
  const engine = createEngine({
    runner: model,
    vocabulary: createByteTokenizer(),
    integrityChecks: "step",
    prefixStore: store,
    quietMs: 10,
    clock,
    ...engineOptions,
  });
  engine.run().catch(() => {});
  let count = 0;
  return {
    model,
    load: () => engine.load(),
    submit: (promptIds, namespace = "", parameters = { max_new_tokens: 3 }) =>
      engine.submit({
        id: `generation ${count++}`,
        promptIds,
        generation: validGeneration({ eos_token_id: null, ...parameters }, promptIds.length, {
          contextLength: 2048,
        }),
        owner: "test",
        priority: 0,
        deadlineAtMs: null,
        namespace,
      }),
    end: () => engine.stop({ drain: true }),
  };
}

function ids(count: number, seed: number): number[] {
  return Array.from({ length: count }, (_, index) => (index * 31 + seed * 17) % 256);
}

function assertRight(promptIds: readonly number[], { sequences, error }: GenerationResult): void {
  assert.equal(error, null);
  const history = [...promptIds];
  for (const id of sequences[0]!.ids) {
    const logits = hashedLogits(history, 260);
    assert.equal(id, logits.indexOf(Math.max(...logits)));
    history.push(id);
  }
}

test("a prefix is there after a restart: only what is new is computed", async () => {
  const store = createMemoryPrefixStore();
  const common = ids(300, 1);
  const before = live(store);
  await before.submit([...common, 1]).result;
  await before.end();
  assert.equal(store.files.size, 1);
  const after = live(store);
  const prompt = [...common, 2, 3];
  const result = await after.submit(prompt).result;
  assertRight(prompt, result);
  assert.equal(result.usage.cachedTokenCount, 300);
  assert.equal(after.model.decodedTokenCount, 2 + 2);
  await after.end();
});

test("callers who come together after a restart have it restored once", async () => {
  const store = createMemoryPrefixStore();
  const common = ids(300, 1);
  const before = live(store);
  await before.submit([...common, 1]).result;
  await before.end();
  const after = live(store);
  const prompts = [2, 3, 4].map((last) => [...common, last, last]);
  const results = await Promise.all(prompts.map((prompt) => after.submit(prompt).result));
  for (const [index, result] of results.entries()) assertRight(prompts[index]!, result);
  assert.equal(after.model.decodedTokenCount, 3 * (2 + 2));
  await after.end();
});

test("callers whose moves do not fit into one step are restored by the next ones, and nothing is computed again", async () => {
  const store = createMemoryPrefixStore();
  const before = live(store, { cellCount: 8192, slotCount: 8 });
  for (const seed of [1, 2, 3, 4]) await before.submit(ids(1000, seed)).result;
  await before.end();
  assert.equal(store.files.size, 4);
  // A thousand tokens are taken to need 30 ms, and half the bound is 40.
  const life = live(store, { cellCount: 8192, slotCount: 8 }, { quietMs: 100_000, maxStepMs: 80 });
  const talking = life.submit(ids(20, 60), "", { max_new_tokens: 60 });
  for await (const event of talking) if (event.kind === "first_token") break;
  const answers = await Promise.all(
    [1, 2, 3, 4].map(async (seed) => await life.submit(ids(1000, seed)).result),
  );
  assert.deepEqual(
    answers.map(({ usage }) => usage.cachedTokenCount),
    [999, 999, 999, 999],
  );
  await life.end();
});

test("what is altered, cut or gone is computed again, and nobody is told of an error", async () => {
  for (const damage of ["cut", "gone", "broken"] as const) {
    const store = createMemoryPrefixStore();
    const common = ids(300, 1);
    const before = live(store);
    await before.submit([...common, 1]).result;
    await before.end();
    const [file] = [...store.files.values()];
    if (damage === "cut") file!.state = file!.state.slice(0, 100);
    const after = live(store);
    if (damage === "gone") store.files.clear();
    if (damage === "broken") store.isBroken = true;
    const prompt = [...common, 2];
    const result = await after.submit(prompt).result;
    assertRight(prompt, result);
    assert.equal(result.usage.cachedTokenCount, 0);
    assert.equal(after.model.decodedTokenCount, 301 + 2);
    await after.end();
  }
});

test("a prefix that has to make room is saved first, and comes back when it is asked for", async () => {
  const store = createMemoryPrefixStore();
  const life = live(store, { cellCount: 700 }, { quietMs: 100_000 });
  const common = ids(300, 1);
  await life.submit([...common, 1]).result;
  await life.submit(ids(600, 2)).result;
  assert.equal(store.files.size, 1);
  const computedBefore = life.model.decodedTokenCount;
  const prompt = [...common, 2];
  assertRight(prompt, await life.submit(prompt).result);
  assert.equal(life.model.decodedTokenCount - computedBefore, 1 + 2);
  await life.end();
});

test("what others were computed past for long makes place while there is room, and comes back unharmed", async () => {
  const store = createMemoryPrefixStore();
  const life = live(store, {}, { quietMs: 100_000 });
  const common = ids(300, 1);
  await life.submit([...common, 1]).result;
  assert.equal(life.load().keptCellCount, 303);
  await life.submit(ids(200, 2)).result;
  assert.equal(life.load().keptCellCount, 303 + 202, "200 tokens are not yet many");
  await life.submit(ids(100, 3)).result;
  assert.equal(store.files.size, 1);
  assert.equal(life.load().keptCellCount, 202 + 102);
  const computedBefore = life.model.decodedTokenCount;
  const prompt = [...common, 2];
  assertRight(prompt, await life.submit(prompt).result);
  assert.equal(life.model.decodedTokenCount - computedBefore, 1 + 2);
  await life.end();
});

test("what is nearly as dear to move as to compute stays, and so does what running sequences share", async () => {
  for (const { tokenMs, promptIds } of [
    { tokenMs: 0.1, promptIds: ids(600, 2) },
    { tokenMs: 1, promptIds: [...ids(300, 1), 1, 1] },
  ]) {
    const store = createMemoryPrefixStore();
    const life = live(store, {}, { quietMs: 100_000 }, tokenMs);
    await life.submit([...ids(300, 1), 1]).result;
    await life.submit(promptIds, "", { max_new_tokens: 400 }).result;
    assert.equal(store.files.size, 0);
    assert.ok(life.load().keptCellCount >= 303);
    await life.end();
  }
});

test("what could not come back beside running sequences stays, however long others are computed past it", async () => {
  const store = createMemoryPrefixStore();
  const life = live(store, { cellCount: 8192 }, { quietMs: 100_000, maxStepMs: 20 });
  await life.submit(ids(1000, 1)).result;
  // A thousand tokens are taken to need 30 ms, and half the bound is 10.
  await life.submit(ids(300, 2)).result;
  await life.submit(ids(300, 3)).result;
  assert.ok(life.load().keptCellCount >= 1000);
  assert.deepEqual(
    store.entries.map(({ ids: { length } }) => length),
    [302],
  );
  await life.end();
});

test("a quiet engine saves what it keeps, one prefix after the other, and goes on at once when asked", async () => {
  const store = createMemoryPrefixStore();
  const life = live(store);
  for (const seed of [1, 2, 3]) await life.submit(ids(200, seed)).result;
  while (store.files.size < 3) await new Promise((resolve) => setTimeout(resolve, 5));
  const prompt = [...ids(200, 1), 9];
  assertRight(prompt, await life.submit(prompt).result);
  await life.end();
});

test("a step beside running sequences moves no more to the store than the bound leaves time for", async () => {
  const store = createMemoryPrefixStore();
  const savedBySteps: number[] = [0];
  const life = live(
    store,
    { slotCount: 8, cellCount: 8192, beforeDecode: () => void savedBySteps.push(0) },
    { quietMs: 100_000, maxStepMs: 100 },
  );
  const save = life.model.saveSequence.bind(life.model);
  life.model.saveSequence = (slot) => {
    savedBySteps[savedBySteps.length - 1]! += 1;
    return save(slot);
  };
  for (const seed of [1, 2, 3, 4, 5, 6, 7]) await life.submit(ids(1000, seed)).result;
  const talking = life.submit(ids(20, 60), "", { max_new_tokens: 60 });
  for await (const event of talking) if (event.kind === "first_token") break;
  // It takes the slots of six kept prefixes at once. A thousand tokens are taken to need 30 ms, and half the bound is 50.
  const wide = { max_new_tokens: 3, do_sample: true, num_return_sequences: 6 };
  await life.submit(ids(30, 70), "", wide).result;
  assert.equal(Math.max(...savedBySteps), 1);
  await life.end();
});

test("an engine that ends with its last generation saves what a step beside others would have had no time for", async () => {
  const store = createMemoryPrefixStore();
  const life = live(store, { cellCount: 4096 }, { maxStepMs: 20 });
  const last = life.submit(ids(1000, 1));
  await life.end();
  assert.equal((await last.result).error, null);
  assert.equal(store.files.size, 1);
});

test("short prefixes, and those of another namespace, are not restored", async () => {
  const store = createMemoryPrefixStore();
  const before = live(store);
  await before.submit(ids(24, 1)).result;
  await before.submit(ids(300, 2), "one").result;
  await before.end();
  assert.deepEqual(
    store.entries.map(({ namespace }) => namespace),
    ["one"],
  );
  const after = live(store);
  assert.equal((await after.submit([...ids(300, 2), 1], "two").result).usage.cachedTokenCount, 0);
  await after.end();
});

test("a state that cannot be copied is not saved, and the engine goes on", async () => {
  const store = createMemoryPrefixStore();
  const life = live(store);
  life.model.saveSequence = () => Promise.reject(new ServingError("decode_failed", "no memory for a copy"));
  await life.submit(ids(300, 1)).result;
  await new Promise((resolve) => setTimeout(resolve, 60));
  assert.equal(store.files.size, 0);
  assertRight(ids(300, 2), await life.submit(ids(300, 2)).result);
  await life.end();
});

test("a caller who leaves while the prefix is being restored leaves nothing behind", async () => {
  const store = createMemoryPrefixStore();
  const before = live(store);
  await before.submit([...ids(300, 1), 1]).result;
  await before.end();
  let leaving: GenerationHandle | null = null;
  const read = store.read.bind(store);
  store.read = async (key) => {
    leaving?.abort();
    await new Promise((resolve) => setImmediate(resolve));
    return read(key);
  };
  const after = live(store);
  leaving = after.submit([...ids(300, 1), 2]);
  assert.equal((await leaving.result).error?.code, "aborted");
  const prompt = [...ids(300, 1), 3];
  assertRight(prompt, await after.submit(prompt).result);
  await after.end();
});
