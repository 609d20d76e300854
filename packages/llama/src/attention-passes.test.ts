import assert from "node:assert/strict";
import { test } from "node:test";
import type { PlanEntry } from "@corral/engine";
import fc from "fast-check";
import { attentionPasses } from "./attention-passes.ts";
import { billionWeights as model } from "./testing/attention-model.ts";

function entry(slot: number, start: number, tokenCount: number, outputs = [tokenCount - 1]): PlanEntry {
  return { slot, start, tokens: Array.from({ length: tokenCount }, () => 1), outputs };
}

/** The next tokens of so many sequences. */
function nextTokens(count: number, start: number, firstSlot = 10): PlanEntry[] {
  return Array.from({ length: count }, (_, index) => entry(firstSlot + index, start + index, 1));
}

function slotsOf(passes: readonly (readonly PlanEntry[])[]): number[][] {
  return passes.map((pass) => pass.map(({ slot }) => slot));
}

test("the next tokens of many conversations are computed apart from a long prompt", () => {
  const others = nextTokens(20, 150);
  const passes = attentionPasses([entry(0, 0, 384, []), ...others], 3_600, model);
  assert.deepEqual(slotsOf(passes), [[0], others.map(({ slot }) => slot)]);
});

test("the pass with fewer rows comes first, as its rows have to be copied", () => {
  const prompts = [entry(0, 0, 80), entry(1, 0, 80), entry(2, 0, 80)];
  assert.deepEqual(slotsOf(attentionPasses([...prompts, ...nextTokens(2, 1_500)], 3_240, model)), [
    [10, 11],
    [0, 1, 2],
  ]);
});

test("a prompt short of a block takes in the shortest of the others", () => {
  const others = nextTokens(20, 150);
  const [filled, rest] = attentionPasses([entry(0, 0, 60, []), ...others], 3_300, model);
  assert.deepEqual(
    filled?.map(({ slot }) => slot),
    [0, 10, 11, 12, 13],
  );
  assert.equal(rest?.length, 16);
});

test("what shares its cells, is alone or fills no block is computed together", () => {
  const shared = Array.from({ length: 16 }, (_, slot) => entry(slot, 512, 16));
  const cases: readonly (readonly [string, readonly PlanEntry[], number])[] = [
    ["sixteen callers with a prefix in common", shared, 768],
    ["a lone prompt", [entry(0, 0, 512)], 512],
    ["next tokens alone", nextTokens(80, 30), 4_000],
    ["fewer than 64 tokens", [entry(0, 0, 40), ...nextTokens(20, 150)], 3_300],
    ["a prompt beside a short conversation", [entry(0, 0, 512, []), ...nextTokens(1, 5)], 520],
  ];
  for (const [name, entries, cellCount] of cases)
    assert.deepEqual(attentionPasses(entries, cellCount, model), [entries], name);
});

test("every entry is in one pass, and each pass in the order of the slots, whatever a step holds", () => {
  const steps = fc.array(fc.record({ start: fc.nat(3_000), tokenCount: fc.integer({ min: 1, max: 300 }) }), {
    minLength: 1,
    maxLength: 40,
  });
  fc.assert(
    fc.property(steps, fc.nat(8_192), (shapes, cellCount) => {
      const entries = shapes.map(({ start, tokenCount }, slot) => entry(slot, start, tokenCount));
      const passes = attentionPasses(entries, cellCount, model);
      assert.ok(passes.length === 1 || passes.length === 2);
      for (const pass of passes)
        assert.deepEqual(
          pass,
          pass.toSorted((a, b) => a.slot - b.slot),
        );
      assert.deepEqual(
        passes.flat().toSorted((a, b) => a.slot - b.slot),
        entries,
      );
    }),
  );
});
