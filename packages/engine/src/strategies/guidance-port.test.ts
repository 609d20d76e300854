// The ports carry two contexts of one group: a classifier-free guidance pair whose rows are needed together.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Outcome } from "../scheduler/outcome.ts";
import { createFakeModel, hashedLogits } from "../testing/fake-model.ts";
import { createStepHarness } from "../testing/step-harness.ts";
import { pickGreedily } from "./greedy.ts";
import type { DecodingStrategy } from "./strategy.ts";

const vocabSize = 16;
const newTokenCount = 5;
const prompt = [1, 2, 3, 4, 5, 6, 7];
const unconditional = [7];

function guide(conditional: Float32Array, free: Float32Array): number {
  return pickGreedily(conditional.map((logit, id) => 1.5 * (logit - free[id]!) + free[id]!))!;
}

const pair: DecodingStrategy = {
  choose({ sequences }, outputs) {
    const [conditional, free] = sequences;
    const token = guide(outputs.logits(conditional!.firstRow), outputs.logits(free!.firstRow));
    const outcomes: Outcome[] = [{ kind: "emit", row: 0, tokens: [token] }];
    const isLast = conditional!.tokens.length + 1 === prompt.length + newTokenCount;
    for (const { id } of sequences) {
      if (isLast) outcomes.push({ kind: "release", sequence: id });
      else outcomes.push({ kind: "append", sequence: id, tokens: [token] });
    }
    if (isLast) outcomes.push({ kind: "finish", row: 0, reason: "length" });
    return { kind: "advance", outcomes };
  },
};

test("a guidance pair of unequal contexts gets both rows in one step, however the prompt is chunked", async () => {
  const expected: number[] = [];
  while (expected.length < newTokenCount) {
    const conditional = hashedLogits([...prompt, ...expected], vocabSize);
    expected.push(guide(conditional, hashedLogits([...unconditional, ...expected], vocabSize)));
  }
  for (const maxBatchTokenCount of [2, 3, 64]) {
    const model = createFakeModel({ vocabSize, slotCount: 2, maxBatchTokenCount });
    const harness = createStepHarness(model);
    harness.add({ id: "pair", contexts: [prompt, unconditional], slotCount: 2 }, pair);
    await harness.runUntilIdle();
    assert.deepEqual(harness.rowsOf("pair"), [expected], `budget ${maxBatchTokenCount}`);
  }
});
