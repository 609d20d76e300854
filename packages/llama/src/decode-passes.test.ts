import assert from "node:assert/strict";
import { test } from "node:test";

import { createStepPlan, type OutputKind, type PlanEntry } from "@corral/engine";

import { CellMap } from "./cell-map.ts";
import { decodePasses, type PassLimits } from "./decode-passes.ts";
import { billionWeights as attention } from "./testing/attention-model.ts";

const layout = new CellMap({ slotCount: 128, cellCount: 16_384, microBatchTokenCount: 512 });
for (let slot = 10; slot < 100; slot += 1)
  layout.place([{ slot, start: 0, tokens: Array.from({ length: 150 }, () => 1), outputs: [] }]);
const apart = { attention, layout, mostCopiedRowCount: 32 };

function entry(slot: number, tokenCount: number, outputs: readonly number[], kind: OutputKind): PlanEntry {
  const tokens = Array.from({ length: tokenCount }, (_, index) => 100 * slot + index);
  return { slot, start: 10, tokens, outputs, outputKind: kind };
}

/** Passes of a plan: kind, then slot, start, tokens and outputs of each entry. */
function passesOf(maxRowCount: number, ...entries: readonly PlanEntry[]) {
  return decodePasses(createStepPlan(entries), limits(maxRowCount)).map(({ kind, plan }) => ({
    kind,
    entries: plan.entries.map(({ slot, start, tokens, outputs }) => [slot, start, tokens, outputs]),
  }));
}

test("a plan without embeddings is one pass", () => {
  const plan = createStepPlan([entry(0, 3, [2], "logits"), entry(1, 2, [], "embedding")]);
  assert.deepEqual(decodePasses(plan, limits(4)), [{ plan, kind: "logits" }]);
});

test("logits come last, as the next pass would overwrite them", () => {
  const passes = passesOf(8, entry(0, 1, [0], "logits"), entry(1, 2, [0, 1], "embedding"));
  assert.deepEqual(passes, [
    { kind: "embedding", entries: [[1, 10, [100, 101], [0, 1]]] },
    { kind: "logits", entries: [[0, 10, [0], [0]]] },
  ]);
});

test("tokens before the first wanted row are computed without rows", () => {
  const passes = passesOf(8, entry(1, 3, [2], "embedding"), entry(2, 2, [1], "embedding"));
  assert.deepEqual(passes, [
    {
      kind: "logits",
      entries: [
        [1, 10, [100, 101], []],
        [2, 10, [200], []],
      ],
    },
    {
      kind: "embedding",
      entries: [
        [1, 12, [102], [0]],
        [2, 11, [201], [0]],
      ],
    },
  ]);
});

test("no pass with embeddings has more tokens than a step may have rows", () => {
  const passes = passesOf(3, entry(1, 4, [0, 1, 2, 3], "embedding"), entry(2, 3, [0, 2], "embedding"));
  assert.deepEqual(passes, [
    { kind: "embedding", entries: [[1, 10, [100, 101, 102], [0, 1, 2]]] },
    {
      kind: "embedding",
      entries: [
        [1, 13, [103], [0]],
        [2, 10, [200, 201], [0]],
      ],
    },
    { kind: "embedding", entries: [[2, 12, [202], [0]]] },
  ]);
});

test("logits are computed apart where attention is cheaper so, unless too many rows would have to be copied", () => {
  const others = Array.from({ length: 20 }, (_, index) => entry(10 + index, 1, [0], "logits"));
  const beside = (outputs: readonly number[]) =>
    decodePasses(
      createStepPlan(
        [
          { ...entry(0, 128, outputs, "logits"), start: 0 },
          ...others.map((other) => ({ ...other, start: 150 })),
        ],
        "lora",
      ),
      { maxRowCount: 512, apart },
    ).map(({ kind, plan }) => [kind, plan.adapter, plan.entries.length, plan.tokenCount]);
  assert.deepEqual(beside([127]), [
    ["logits", "lora", 1, 128],
    ["logits", "lora", 20, 20],
  ]);
  const every = Array.from({ length: 128 }, (_, index) => index);
  assert.deepEqual(
    beside(every).map(([, , entries]) => entries),
    [20, 1],
  );
  const many = Array.from({ length: 70 }, (_, slot) => ({
    ...entry(30 + slot, 1, [0], "logits"),
    start: 150,
  }));
  const plan = createStepPlan([{ ...entry(0, 128, every, "logits"), start: 0 }, ...many]);
  assert.equal(decodePasses(plan, { maxRowCount: 512, apart }).length, 1);
});

function limits(maxRowCount: number): PassLimits {
  return { maxRowCount, apart: null };
}
