// With several adapters in one engine every answer is the one it would get alone. The fake model's logits depend on the
// adapter, and it refuses cells that another adapter computed.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { createEngine, type EngineOptions } from "./engine.ts";
import type { GenerationHandle } from "./generation.ts";
import type { Evaluation, EvaluationHandle } from "./evaluation.ts";
import { createByteTokenizer } from "./testing/byte-tokenizer.ts";
import { createFakeClock } from "./testing/fake-clock.ts";
import { createFakeModel, hashedLogits, type FakeModelOptions } from "./testing/fake-model.ts";
import { createMemoryPrefixStore } from "./testing/memory-prefix-store.ts";
import { validGeneration } from "./testing/valid-generation.ts";

const vocabulary = createByteTokenizer();

/** Three likely ids, so that drafts are accepted at times; which ones the adapter says. */
function logits(history: readonly number[], size: number, adapter: string | null = null): Float32Array {
  const scores = hashedLogits(history, size, adapter);
  const next = (history.at(-1)! + history.length + (adapter?.length ?? 0)) % 5;
  scores[next] = scores[next]! + 4;
  return scores;
}

function start(modelOptions: FakeModelOptions = {}, engineOptions: Partial<EngineOptions> = {}) {
  const clock = createFakeClock();
  let adapter: string | null = null;
  const model = createFakeModel({
    logits,
    slotCount: 16,
    cellCount: 2_000,
    ...modelOptions,
    // A change of adapters takes time of its own.
    beforeDecode: (plan) => {
      clock.advance(1 + 0.1 * plan.tokenCount + (plan.adapter === adapter ? 0 : 3));
      adapter = plan.adapter;
    },
  });
  const draftRunner = createFakeModel({ logits });
  const engine = createEngine({
    runner: model,
    draftRunners: new Map([["small", draftRunner]]),
    vocabulary,
    clock,
    integrityChecks: "step",
    ...engineOptions,
  });
  engine.run().catch(() => {});
  return { model, engine, [Symbol.asyncDispose]: () => engine.stop({ drain: false }).catch(() => {}) };
}

const kinds = {
  greedy: {},
  sampled: { do_sample: true, temperature: 1.3, num_return_sequences: 2 },
  beams: { num_beams: 3 },
  guided: { guidance_scale: 1.5, negative_prompt_ids: [1, 2, 3] },
  lookedUp: { prompt_lookup_num_tokens: 3 },
  drafted: { assistant_model: "small" },
} as const;

interface Call {
  readonly adapter: string | null;
  readonly kind: keyof typeof kinds | "scores" | "embedding";
  readonly beginning: number;
  readonly length: number;
  readonly newTokenCount: number;
  readonly priority: number;
}

const call = fc.record<Call>({
  adapter: fc.constantFrom(null, "x", "yy", "zzz"),
  kind: fc.constantFrom(...(Object.keys(kinds) as (keyof typeof kinds)[]), "scores", "embedding"),
  beginning: fc.nat(1),
  length: fc.integer({ min: 1, max: 60 }),
  newTokenCount: fc.integer({ min: 1, max: 12 }),
  priority: fc.nat(1),
});

type Engine = ReturnType<typeof createEngine>;

function submit(engine: Engine, wanted: Call, id: string): GenerationHandle | EvaluationHandle {
  const promptIds = Array.from({ length: wanted.length }, (_, index) => (index * 7 + wanted.beginning) % 250);
  const { adapter, priority, kind } = wanted;
  const request = { id, promptIds, adapter, priority, owner: "test", deadlineAtMs: null };
  if (kind === "scores" || kind === "embedding") {
    const evaluation: Evaluation =
      kind === "scores" ? { kind, topCount: 2 } : { kind, pooling: "mean", normalize: true };
    return engine.evaluate({ ...request, evaluation });
  }
  const generation = validGeneration(
    { max_new_tokens: wanted.newTokenCount, eos_token_id: null, seed: 11, ...kinds[kind] },
    promptIds.length,
    { draftModels: ["small"], maxSequenceCount: 16 },
  );
  return engine.submit({ ...request, generation });
}

async function answerOf(handle: GenerationHandle | EvaluationHandle): Promise<unknown> {
  const result = await handle.result;
  assert.equal(result.error, null);
  return "sequences" in result ? result.sequences.map(({ ids, text }) => ({ ids, text })) : result.output;
}

async function alone(wanted: Call): Promise<unknown> {
  await using fixture = start();
  return await answerOf(submit(fixture.engine, wanted, "alone"));
}

test("whoever else computes with whatever adapter, an answer is the one it would be alone", async () => {
  const seen = { changes: 0, cached: 0 };
  await fc.assert(
    fc.asyncProperty(fc.array(call, { minLength: 2, maxLength: 14 }), fc.nat(3), async (calls, pause) => {
      const store = createMemoryPrefixStore();
      // Few cells: some are preempted and go on later.
      await using fixture = start({ cellCount: 400, maxBatchTokenCount: 32 }, { prefixStore: store });
      const handles: (GenerationHandle | EvaluationHandle)[] = [];
      for (const [index, wanted] of calls.entries()) {
        if (index % 4 === 3) for (let turn = 0; turn < pause * 10; turn++) await Promise.resolve();
        handles.push(submit(fixture.engine, wanted, `call ${index}`));
      }
      const answers = await Promise.all(handles.map(answerOf));
      for (const [index, wanted] of calls.entries()) assert.deepEqual(answers[index], await alone(wanted));
      const { plans } = fixture.model;
      for (const [index, plan] of plans.entries())
        if (plan.adapter !== plans[index - 1]?.adapter) seen.changes += 1;
      for (const handle of handles) seen.cached += handle.usage.cachedTokenCount;
    }),
    { numRuns: 40 },
  );
  assert.ok(seen.changes > 100 && seen.cached > 100, JSON.stringify(seen));
});

test("the same prompt with another adapter is another answer, computed from its beginning", async () => {
  await using fixture = start();
  const wanted: Call = {
    adapter: null,
    kind: "greedy",
    beginning: 1,
    length: 60,
    newTokenCount: 8,
    priority: 0,
  };
  const answers = new Set<string>();
  for (const adapter of [null, "x", "yy"]) {
    const first = submit(fixture.engine, { ...wanted, adapter }, `first ${adapter}`);
    answers.add(JSON.stringify(await answerOf(first)));
    assert.equal(first.usage.cachedTokenCount, 0, `${adapter} takes nothing of others`);
    const again = submit(fixture.engine, { ...wanted, adapter }, `again ${adapter}`);
    answers.add(JSON.stringify(await answerOf(again)));
    assert.equal(again.usage.cachedTokenCount, 59, `${adapter} takes its own`);
  }
  assert.equal(answers.size, 3);
});

test("what was kept in the store with an adapter is found again with it alone", async () => {
  const store = createMemoryPrefixStore();
  const wanted: Call = {
    adapter: "x",
    kind: "greedy",
    beginning: 1,
    length: 200,
    newTokenCount: 2,
    priority: 0,
  };
  const roomy = { contextLength: 256, maxBatchTokenCount: 64 };
  // As long to compute as to be worth a file.
  const slow = { ...roomy, logits };
  const before = start(slow, { prefixStore: store });
  const answer = await answerOf(submit(before.engine, wanted, "before"));
  await before.engine.stop({ drain: true });
  assert.equal(store.files.size, 1);
  await using after = start(slow, { prefixStore: store });
  const plain = submit(after.engine, { ...wanted, adapter: null }, "plain");
  await answerOf(plain);
  assert.equal(plain.usage.cachedTokenCount, 0);
  const again = submit(after.engine, wanted, "again");
  assert.deepEqual(await answerOf(again), answer);
  assert.ok(again.usage.cachedTokenCount >= 190, String(again.usage.cachedTokenCount));
});

test("an adapter that the runner does not know fails the step's generations and nobody else's", async () => {
  const adapters = new Set(["x"]);
  await using fixture = start({ adapters });
  const wanted: Call = {
    adapter: "x",
    kind: "greedy",
    beginning: 1,
    length: 9,
    newTokenCount: 8,
    priority: 0,
  };
  const [known, gone, plain] = ["x", "gone", null].map((adapter) =>
    submit(fixture.engine, { ...wanted, adapter }, String(adapter)),
  );
  assert.equal((await gone!.result).error?.code, "decode_failed");
  assert.equal((await known!.result).error, null);
  assert.equal((await plain!.result).error, null);
});
