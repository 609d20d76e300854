import assert from "node:assert/strict";
import { test } from "node:test";
import { ServingError } from "@corral/contract";
import { createDraftModel } from "./draft-runner.ts";
import type { ModelRunner } from "./model-runner.ts";
import { createSelectionKernels } from "./logits/selection-kernels.ts";
import { createChooseDraft } from "./strategies/choose-draft.ts";
import type { ChooseDraft } from "./strategies/draft-model.ts";
import { byteTokenCount as vocabSize } from "./testing/byte-tokenizer.ts";
import { createFakeClock } from "./testing/fake-clock.ts";
import { createFakeModel, type FakeModelOptions } from "./testing/fake-model.ts";
import { validGeneration } from "./testing/valid-generation.ts";

/** Counts upwards, with a probability that falls from token to token. */
function counting(history: readonly number[], size: number): Float32Array {
  const logits = new Float32Array(size);
  logits[(history.at(-1)! + 1) % size] = 12 - history.length;
  return logits;
}

const best: ChooseDraft = (logits) => ({ id: logits.indexOf(Math.max(...logits)), goesOn: true });

function start(options: FakeModelOptions = {}) {
  const clock = createFakeClock();
  const runner = createFakeModel({ logits: counting, beforeDecode: () => clock.advance(2), ...options });
  return { runner, model: createDraftModel(runner, clock) };
}

test("only what differs from the last draft is computed again", async () => {
  const { runner, model } = start();
  const sequence = model.open(40)!;
  assert.deepEqual(await sequence.draft([5, 6, 7], 3, best), [8, 9, 10]);
  const before = runner.decodedTokenCount;
  // The first drafted id was right, the second wrong.
  assert.deepEqual(await sequence.draft([5, 6, 7, 8, 20], 2, best), [21, 22]);
  assert.equal(runner.decodedTokenCount - before, 2, "the chosen id, and the first of the next draft");
  assert.deepEqual(runner.historyOf(0), [5, 6, 7, 8, 20, 21]);
  sequence.close();
  assert.equal(runner.usedCellCount, 0);
});

test("drafts that are asked for at once share their passes", async () => {
  const { runner, model } = start();
  const sequences = [model.open(20)!, model.open(20)!];
  const drafts = await Promise.all(sequences.map((each, index) => each.draft([10 * index], 4, best)));
  assert.deepEqual(drafts, [
    [1, 2, 3, 4],
    [11, 12, 13, 14],
  ]);
  assert.equal(runner.plans.length, 4);
});

test("there are as many places as slots and cells allow, and a closed one is free again", () => {
  const { model } = start({ slotCount: 2, cellCount: 100 });
  const first = model.open(60)!;
  assert.equal(model.open(60), null, "no cells");
  const second = model.open(30)!;
  assert.equal(model.open(5), null, "no slot");
  first.close();
  second.close();
  assert.notEqual(model.open(100), null);
});

test("a place that is closed while others are drafted is free again, also while it waits itself", async () => {
  const { model, runner } = start({ slotCount: 3, cellCount: 90 });
  const [drafting, idle, waiting] = [model.open(30)!, model.open(30)!, model.open(30)!];
  const draft = drafting.draft([1], 4, best);
  await Promise.resolve();
  const waited = waiting.draft([2], 4, best);
  idle.close();
  waiting.close();
  await Promise.all([draft, waited]);
  drafting.close();
  assert.equal(runner.usedCellCount, 0);
  const places = [1, 2, 3].map(() => model.open(30));
  assert.ok(places.every((place) => place !== null));
  assert.equal(model.open(1), null);
});

test("a failure, also one in cleaning up after it, ends the draft model and leaves nobody waiting", async () => {
  const beforeDecode = () => {
    throw new ServingError("decode_failed", "x");
  };
  const { runner } = start({ beforeDecode });
  const removeSequence = () => {
    throw new Error("broken");
  };
  const broken: ModelRunner = Object.assign(Object.create(runner), { removeSequence });
  const model = createDraftModel(broken, createFakeClock());
  const [first, second] = [model.open(20)!, model.open(20)!];
  assert.deepEqual(await first.draft([1], 3, best), []);
  assert.deepEqual(await second.draft([1], 3, best), []);
  first.close();
  assert.equal(model.open(20), null);
});

test("a long text yields its first draft when it is computed to its end", async () => {
  const { model } = start({ cellCount: 1024, contextLength: 1024, maxBatchTokenCount: 512 });
  const sequence = model.open(700)!;
  const text = Array.from({ length: 600 }, (_, index) => index % 9);
  assert.deepEqual(await sequence.draft(text, 2, () => ({ id: 1, goesOn: true })), []);
  assert.equal(sequence.computedCount, 256);
  assert.deepEqual(await sequence.draft(text, 2, () => ({ id: 1, goesOn: true })), []);
  assert.deepEqual(await sequence.draft(text, 2, () => ({ id: 1, goesOn: true })), [1, 1]);
});

test("what a draft takes is told by what passes took", async () => {
  const { model } = start();
  assert.equal(model.predictMs(3, 5, 4), null);
  const sequence = model.open(40)!;
  for (const id of [1, 2, 3]) await sequence.draft([id], 4, best);
  const ms = model.predictMs(3, 5, 4)!;
  assert.ok(ms > 4 && ms < 8, `${ms} ms`);
});

test("a draft ends with an end token, and with one that was less likely than the threshold", async () => {
  const draftWith = async (parameters: object, confidenceThreshold: number) => {
    const { model } = start();
    const settings = validGeneration({ max_new_tokens: 20, eos_token_id: null, ...parameters }, 1);
    const kernels = createSelectionKernels(vocabSize);
    const scratch = new Float64Array(vocabSize);
    const uniformAt = () => 0.5;
    const choose = createChooseDraft({ settings, confidenceThreshold, kernels, scratch, uniformAt });
    return await model.open(40)!.draft([5], 8, choose);
  };
  assert.deepEqual(await draftWith({}, 0), [6, 7, 8, 9, 10, 11, 12, 13]);
  assert.deepEqual(await draftWith({ eos_token_id: 8 }, 0), [6, 7, 8]);
  // A score of s beside 0 for all others: e^s / (e^s + vocabSize - 1).
  const confidence = (score: number) => Math.exp(score) / (Math.exp(score) + vocabSize - 1);
  const [sure, unsure] = [confidence(10), confidence(9)];
  assert.deepEqual(await draftWith({}, (sure + unsure) / 2), [6, 7, 8]);
  assert.deepEqual(await draftWith({ do_sample: true, top_k: 1 }, 0.9), [6, 7, 8, 9, 10, 11, 12, 13]);
});
