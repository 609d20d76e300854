import assert from "node:assert/strict";
import { test } from "node:test";

import { createStepPlan, type ModelRunnerLimits, type PlanEntry, type StepPlan } from "@corral/engine";

import { SlotPositions } from "./slot-positions.ts";

const limits: ModelRunnerLimits = {
  slotCount: 4,
  cellCount: 256,
  maxBatchTokenCount: 8,
  maxRowCount: 6,
  contextLength: 10,
  vocabSize: 100,
};

function entry(
  slot: number,
  start: number,
  tokens: readonly number[],
  outputs: readonly number[] = [],
): PlanEntry {
  return { slot, start, tokens, outputs };
}

/** Positions with the given numbers of computed tokens per slot. */
function positionsWith(...computedCounts: number[]): SlotPositions {
  const positions = new SlotPositions(limits);
  computedCounts.forEach((count, slot) => {
    if (count === 0) return;
    positions.commitPlan(
      createStepPlan([
        entry(
          slot,
          0,
          Array.from({ length: count }, () => 1),
        ),
      ]),
    );
  });
  return positions;
}

function refuses(call: () => void, message: RegExp): void {
  assert.throws(call, { code: "engine_misuse", message });
}

const badPlans: readonly [name: string, plan: StepPlan, message: RegExp][] = [
  ["an empty plan", createStepPlan([]), /at least one entry/],
  ["an entry without tokens", createStepPlan([entry(0, 0, [])]), /without tokens/],
  [
    "more tokens than a batch holds",
    createStepPlan([entry(1, 0, [1, 1, 1, 1, 1]), entry(2, 0, [1, 1, 1, 1])]),
    /at most 8 tokens, given 9/,
  ],
  [
    "a token count that is not the sum",
    { ...createStepPlan([entry(1, 0, [1])]), tokenCount: 2 },
    /says 2 tokens and its entries hold 1/,
  ],
  ["a slot at the limit", createStepPlan([entry(4, 0, [1])]), /\[0, 4\), given 4/],
  ["a negative slot", createStepPlan([entry(-1, 0, [1])]), /\[0, 4\), given -1/],
  ["a fractional slot", createStepPlan([entry(0.5, 0, [1])]), /given 0.5/],
  ["a slot twice", createStepPlan([entry(1, 0, [1]), entry(1, 1, [1])]), /at most once/],
  [
    "slots out of order",
    { entries: [entry(1, 0, [1]), entry(0, 0, [1])], tokenCount: 2, adapter: null, isEmpty: false },
    /ordered by slot/,
  ],
  ["a gap in the positions", createStepPlan([entry(0, 3, [1])]), /continues at position 2, given 3/],
  ["positions that go back", createStepPlan([entry(0, 1, [1])]), /continues at position 2, given 1/],
  [
    "more positions than the context has",
    createStepPlan([entry(3, 8, [1, 1, 1])]),
    /at most 10 positions, and slot 3 would have 11/,
  ],
  ["a token at the vocabulary's end", createStepPlan([entry(1, 0, [100])]), /\[0, 100\), and slot 1 has 100/],
  ["a negative token", createStepPlan([entry(1, 0, [-1])]), /has -1/],
  ["a token that is not a number", createStepPlan([entry(1, 0, [Number.NaN])]), /has NaN/],
  ["an output beyond the tokens", createStepPlan([entry(1, 0, [1], [1])]), /\[0, 1\), given 1/],
  [
    "more rows than a step may have",
    createStepPlan([entry(1, 0, [1, 1, 1, 1], [0, 1, 2, 3]), entry(2, 0, [1, 1, 1], [0, 1, 2])]),
    /at most 6 rows, given 7/,
  ],
  ["outputs that do not ascend", createStepPlan([entry(1, 0, [1, 1], [1, 1])]), /ascending/],
];

for (const [name, plan, message] of badPlans) {
  test(`${name} is refused`, () => {
    const positions = positionsWith(2, 0, 0, 8);
    refuses(() => positions.checkPlan(plan), message);
  });
}

test("a plan that fills batch and context to the brim is accepted", () => {
  const positions = positionsWith(8);
  positions.checkPlan(createStepPlan([entry(0, 8, [99, 0], [0, 1]), entry(3, 0, [1, 1, 1, 1, 1, 1])]));
});

test("a committed plan moves the positions of its slots", () => {
  const positions = positionsWith(3, 0);
  positions.commitPlan(createStepPlan([entry(0, 3, [1, 2])]));
  assert.equal(positions.computedCount(0), 5);
  assert.equal(positions.computedCount(1), 0);
});

test("a copy begins where the target ends and stays within the source", () => {
  const positions = positionsWith(6, 2);
  positions.checkCopy(0, 1, { start: 2, end: 6 });
  positions.checkCopy(0, 2, { start: 0, end: 4 });
  refuses(() => positions.checkCopy(0, 1, { start: 0, end: 4 }), /begins at 2, not at 0/);
  refuses(() => positions.checkCopy(0, 2, { start: 2, end: 4 }), /begins at 0, not at 2/);
  refuses(() => positions.checkCopy(0, 2, { start: 0, end: 7 }), /holds \[0, 6\), not \[0, 7\)/);
  refuses(() => positions.checkCopy(0, 0, { start: 6, end: 6 }), /onto itself/);
  refuses(() => positions.checkCopy(0, 4, { start: 0, end: 4 }), /given 4/);
  refuses(() => positions.checkCopy(-1, 1, { start: 0, end: 0 }), /given -1/);
  refuses(() => positions.checkCopy(0, 2, { start: 0, end: 1.5 }), /half-open/);
});

test("only the end of a sequence can be removed", () => {
  const positions = positionsWith(6);
  refuses(() => positions.checkRemove(0, { start: 1, end: 3 }), /would leave a gap/);
  refuses(() => positions.checkRemove(0, { start: 3, end: 1 }), /half-open/);
  refuses(() => positions.checkRemove(0, { start: -1, end: 6 }), /half-open/);
  refuses(() => positions.checkRemove(9, { start: 0, end: 6 }), /given 9/);
  positions.checkRemove(0, { start: 4, end: 6 });
  positions.commitRemove(0, { start: 4, end: 6 });
  assert.equal(positions.computedCount(0), 4);
});

test("removing what a slot does not hold changes nothing", () => {
  const positions = positionsWith(3);
  for (const range of [
    { start: 5, end: 9 },
    { start: 1, end: 1 },
    { start: 3, end: 3 },
  ]) {
    positions.checkRemove(0, range);
    positions.commitRemove(0, range);
  }
  assert.equal(positions.computedCount(0), 3);
});
