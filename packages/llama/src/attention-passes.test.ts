import assert from "node:assert/strict";
import { test } from "node:test";
import type { PlanEntry } from "@corral/engine";
import fc from "fast-check";
import { attentionPasses } from "./attention-passes.ts";
import { CellMap } from "./cell-map.ts";
import { billionWeights as model } from "./testing/attention-model.ts";

const most = 32;

function entry(slot: number, start: number, tokenCount: number, outputs = [tokenCount - 1]): PlanEntry {
  return { slot, start, tokens: Array.from({ length: tokenCount }, () => 1), outputs };
}

/** The next tokens of so many sequences. */
function nextTokens(count: number, start: number, firstSlot = 10): PlanEntry[] {
  return Array.from({ length: count }, (_, index) => entry(firstSlot + index, start, 1));
}

function emptyMap(): CellMap {
  return new CellMap({ slotCount: 256, cellCount: 8_192, microBatchTokenCount: 512 });
}

/** What came before the entries, one sequence after the other, beside `elsewhere` cells of others. */
function inRows(entries: readonly PlanEntry[], elsewhere = 0): CellMap {
  const map = emptyMap();
  if (elsewhere > 0) map.place([entry(255, 0, elsewhere)]);
  for (const { slot, start } of entries) if (start > 0) map.place([entry(slot, 0, start)]);
  return map;
}

/** The same, each token between those of the others, as replies come to lie. */
function mingled(entries: readonly PlanEntry[]): CellMap {
  const map = emptyMap();
  const longest = Math.max(...entries.map(({ start }) => start));
  for (let position = 0; position < longest; position += 1)
    map.place(entries.filter(({ start }) => position < start).map(({ slot }) => entry(slot, position, 1)));
  return map;
}

/** Slot and number of tokens of each entry, pass by pass. */
function shapesOf(passes: readonly (readonly PlanEntry[])[]): [slot: number, tokenCount: number][][] {
  return passes.map((pass) => pass.map(({ slot, tokens }) => [slot, tokens.length]));
}

function slotsOf(passes: readonly (readonly PlanEntry[])[]): number[][] {
  return passes.map((pass) => pass.map(({ slot }) => slot));
}

test("the next tokens of many conversations are computed apart from a long prompt", () => {
  const others = nextTokens(20, 150);
  const entries = [entry(0, 0, 384, []), ...others];
  const passes = attentionPasses(entries, inRows(entries), model, most);
  assert.deepEqual(slotsOf(passes), [[0], others.map(({ slot }) => slot)]);
});

test("the pass with fewer rows comes first, as its rows have to be copied", () => {
  const prompts = [entry(0, 0, 80), entry(1, 0, 80), entry(2, 0, 80)];
  const entries = [...prompts, ...nextTokens(2, 1_500)];
  assert.deepEqual(slotsOf(attentionPasses(entries, inRows(entries), model, most)), [
    [10, 11],
    [0, 1, 2],
  ]);
});

test("what follows a conversation whose cells lie among others' is taken row by row, unless it is alone", () => {
  const conversations = Array.from({ length: 16 }, (_, slot) => entry(slot, 160, 1));
  const turns = [entry(2, 160, 61), entry(5, 160, 61)];
  assert.deepEqual(shapesOf(attentionPasses(turns, mingled(conversations), model, most)), [
    [[2, 61]],
    [[5, 61]],
  ]);
  assert.deepEqual(attentionPasses(turns, inRows(turns), model, most), [turns]);
});

test("a prompt that fills blocks is one pass, and what follows mingled conversations others", () => {
  const conversations = Array.from({ length: 16 }, (_, slot) => entry(slot, 160, 1));
  const entries = [entry(2, 160, 50), entry(20, 0, 512, [])];
  assert.deepEqual(shapesOf(attentionPasses(entries, mingled(conversations), model, most)), [
    [[20, 512]],
    [[2, 50]],
  ]);
});

test("of many next tokens the last pass is full, as the rows of those before it are copied", () => {
  const others = nextTokens(80, 150);
  assert.deepEqual(
    attentionPasses(others, mingled(others), model, most).map((pass) => pass.length),
    [17, 63],
  );
});

test("libraries that pass over unseen cells make rows cheaper where most of a large cache is not seen", () => {
  const layout = mingled(Array.from({ length: 6 }, (_, slot) => entry(slot, 160, 1)));
  layout.place([entry(255, 0, 6_000)]);
  const turns = [entry(0, 160, 60), entry(1, 160, 60)];
  const passCount = (skipsUnseen: boolean) =>
    attentionPasses(turns, layout, { ...model, skipsUnseen, passNs: 0 }, most).length;
  assert.deepEqual([passCount(false), passCount(true)], [1, 2]);
});

test("what shares its cells, is alone or fills no block is computed together", () => {
  const shared = Array.from({ length: 16 }, (_, slot) => entry(slot, 512, 16));
  const map = emptyMap();
  map.place([entry(0, 0, 512)]);
  for (const { slot } of shared.slice(1)) map.copy(0, slot, { start: 0, end: 512 });
  assert.deepEqual(attentionPasses(shared, map, model, most), [shared], "callers with a prefix in common");
  const cases: readonly (readonly [string, readonly PlanEntry[]])[] = [
    ["a lone prompt", [entry(0, 0, 512)]],
    ["a lone prompt that goes on", [entry(0, 1_024, 128)]],
    ["next tokens, more of them than can be copied", nextTokens(96, 30)],
    ["fewer than 64 tokens", [entry(0, 0, 40), ...nextTokens(20, 150)]],
    ["a prompt beside a short conversation", [entry(0, 0, 512, []), ...nextTokens(1, 5)]],
  ];
  for (const [name, entries] of cases)
    assert.deepEqual(attentionPasses(entries, inRows(entries), model, most), [entries], name);
});

test("every token is in one pass, in order, with its row; whatever a step holds", () => {
  const steps = fc.array(
    fc.record({
      start: fc.nat(300),
      tokenCount: fc.integer({ min: 1, max: 300 }),
      rowCount: fc.constantFrom(0, 1, 1, 3),
    }),
    { minLength: 1, maxLength: 40 },
  );
  fc.assert(
    fc.property(steps, fc.boolean(), fc.nat(40), fc.boolean(), (shapes, isMingled, copied, skipsUnseen) => {
      const entries = shapes.map(({ start, tokenCount, rowCount }, slot) => {
        const outputs = Array.from(
          { length: Math.min(rowCount, tokenCount) },
          (_, row) => tokenCount - 1 - row,
        );
        return entry(slot, start, tokenCount, outputs.reverse());
      });
      const map = isMingled ? mingled(entries) : inRows(entries, 64);
      const passes = attentionPasses(entries, map, { ...model, skipsUnseen }, copied);
      for (const pass of passes) {
        const slots = pass.map(({ slot }) => slot);
        assert.ok(slots.length > 0 && pass.every(({ tokens }) => tokens.length > 0));
        assert.deepEqual(
          slots,
          [...new Set(slots)].sort((a, b) => a - b),
        );
      }
      const rowCounts = passes.map((pass) => pass.reduce((sum, { outputs }) => sum + outputs.length, 0));
      assert.ok(passes.length === 1 || rowCounts.slice(0, -1).reduce((a, b) => a + b) <= copied);
      for (const { slot, start, tokens, outputs } of entries) {
        const parts = passes.flatMap((pass) => pass.filter((part) => part.slot === slot));
        let at = start;
        for (const part of parts) {
          assert.equal(part.start, at);
          at += part.tokens.length;
        }
        assert.equal(at, start + tokens.length);
        // The runner finds the rows of a slot in one pass.
        const withRows = parts.filter((part) => part.outputs.length > 0);
        assert.ok(withRows.length <= 1);
        const positions = withRows.flatMap((part) => part.outputs.map((output) => part.start + output));
        assert.deepEqual(
          positions,
          outputs.map((output) => start + output),
        );
      }
    }),
    { numRuns: 60 },
  );
});
