// An engine for deterministic generations: the same steps for the same request, whatever else is asked for.

import assert from "node:assert/strict";
import { test } from "node:test";
import { createEngine } from "./engine.ts";
import type { StepPlan } from "./scheduler/step-plan.ts";
import { createByteTokenizer } from "./testing/byte-tokenizer.ts";
import { createFakeModel } from "./testing/fake-model.ts";
import { validGeneration } from "./testing/valid-generation.ts";

/** What the model was given for one generation: slots, positions and tokens of every step. */
function stepsOf(plans: readonly StepPlan[], last: number): string[] {
  return plans.map(({ entries }) => JSON.stringify(entries)).slice(-last);
}

test("a generation takes the very same steps alone and in a crowd, and never shares one", async () => {
  const model = createFakeModel({
    slotCount: 8,
    cellCount: 4096,
    contextLength: 1024,
    maxBatchTokenCount: 512,
  });
  const engine = createEngine({
    runner: model,
    vocabulary: createByteTokenizer(),
    isExclusive: true,
    integrityChecks: "step",
  });
  engine.run().catch(() => {});
  let count = 0;
  const promptIds = Array.from({ length: 300 }, (_, index) => (index * 7) % 256);
  const parameters = {
    max_new_tokens: 5,
    eos_token_id: null,
    do_sample: true,
    num_return_sequences: 2,
    seed: 1,
  };
  const submit = (ids: readonly number[]) =>
    engine.submit({
      id: `generation ${count++}`,
      promptIds: ids,
      generation: validGeneration(parameters, ids.length, { contextLength: 1024 }),
      owner: "test",
      priority: 0,
      deadlineAtMs: null,
    }).result;
  const alone = await submit(promptIds);
  // Three chunks of at most 128 tokens, then four tokens more for each sequence.
  const expected = stepsOf(model.plans, 7);
  assert.equal(model.plans.length, 7);
  const others = Array.from({ length: 5 }, (_, index) => submit(promptIds.slice(0, 100 + index)));
  const crowded = submit(promptIds);
  await Promise.all(others);
  assert.deepEqual((await crowded).sequences, alone.sequences);
  assert.deepEqual(stepsOf(model.plans, 7), expected);
  assert.ok(model.plans.every(({ entries }) => entries.length <= 2));
  await engine.stop({ drain: true });
});

test("without a seed a deterministic generation takes seed 0, so that chance is the same, too", () => {
  assert.equal(validGeneration({ deterministic: true }, 3).seed, 0);
  assert.equal(validGeneration({ deterministic: true, seed: 5 }, 3).seed, 5);
  assert.equal(validGeneration({}, 3).seed, null);
});
