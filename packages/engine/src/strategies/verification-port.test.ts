// The ports carry the verification of several tokens in one step, with rollback of those that were wrong.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Outcome } from "../scheduler/outcome.ts";
import { createFakeModel, hashedLogits } from "../testing/fake-model.ts";
import { createStepHarness } from "../testing/step-harness.ts";
import { pickGreedily } from "./greedy.ts";
import type { DecodingStrategy } from "./strategy.ts";

const vocabSize = 16;
const newTokenCount = 12;
const prompt = [1, 2, 3];

const expected: number[] = [];
while (expected.length < newTokenCount) {
  expected.push(pickGreedily(hashedLogits([...prompt, ...expected], vocabSize))!);
}

/** Greedy with drafts of `draftLength` ids, right but for those at every fourth position. */
function createVerification(draftLength: number): DecodingStrategy {
  const draftFrom = (count: number): number[] =>
    expected
      .slice(count, Math.min(count + draftLength, newTokenCount - 1))
      .map((token, index) => ((count + index) % 4 === 3 ? (token + 1) % vocabSize : token));
  return {
    choose({ sequences }, outputs) {
      const { id, tokens, firstRow, rowCount } = sequences[0]!;
      const drafted = tokens.slice(tokens.length - rowCount + 1);
      const chosen: number[] = [];
      for (let row = 0; row < rowCount; row++) {
        const token = pickGreedily(outputs.logits(firstRow + row))!;
        chosen.push(token);
        if (token !== drafted[row]) break;
      }
      const acceptedCount = chosen.length - 1;
      const keptLength = tokens.length - drafted.length + acceptedCount;
      const count = keptLength - prompt.length + 1;
      const outcomes: Outcome[] = [{ kind: "emit", row: 0, tokens: chosen }];
      if (keptLength < tokens.length) outcomes.push({ kind: "rollback", sequence: id, to: keptLength });
      if (count < newTokenCount) {
        outcomes.push({ kind: "append", sequence: id, tokens: [chosen.at(-1)!, ...draftFrom(count)] });
      } else {
        outcomes.push({ kind: "finish", row: 0, reason: "length" }, { kind: "release", sequence: id });
      }
      return { kind: "advance", outcomes };
    },
  };
}

test("verified drafts give exactly the greedy ids in fewer steps", async () => {
  const stepCounts: number[] = [];
  for (const draftLength of [0, 1, 3, 5]) {
    const model = createFakeModel({ vocabSize, slotCount: 1 });
    const harness = createStepHarness(model);
    harness.add({ id: "verify", contexts: [prompt] }, createVerification(draftLength));
    await harness.runUntilIdle();
    assert.deepEqual(harness.rowsOf("verify"), [expected], `drafts of ${draftLength}`);
    assert.deepEqual(model.historyOf(0), [], "the slot is clean");
    stepCounts.push(model.plans.length);
  }
  assert.equal(stepCounts[0], newTokenCount);
  assert.ok(stepCounts[2]! < newTokenCount / 2);
});
