import assert from "node:assert/strict";
import { test } from "node:test";
import type { PlanEntry } from "@corral/engine";
import fc from "fast-check";
import { blockLength, CellMap } from "./cell-map.ts";

function entry(slot: number, start: number, tokenCount: number): PlanEntry {
  return { slot, start, tokens: Array.from({ length: tokenCount }, () => 1), outputs: [] };
}

function map(cellCount = 1_024): CellMap {
  return new CellMap({ slotCount: 4, cellCount, microBatchTokenCount: 512 });
}

test("a prompt lies in one piece, replies that are computed together between each other", () => {
  const subject = map();
  subject.place([entry(0, 0, 64)]);
  subject.place([entry(1, 0, 64)]);
  for (let position = 64; position < 96; position += 1)
    subject.place([entry(0, position, 1), entry(1, position, 1)]);
  assert.deepEqual(subject.cellsOf(0).slice(62, 67), [62, 63, 128, 130, 132]);
  assert.equal(subject.blockCountOf([0]), 2);
  assert.equal(subject.blockCountOf([0, 1]), 3);
  assert.equal(subject.lookedAtCount(1), 256);
});

test("freed cells are taken from the first one on, and only at the end those before it", () => {
  const subject = map(256);
  subject.place([entry(0, 0, 100)]);
  subject.place([entry(1, 0, 100)]);
  subject.remove(0, 90);
  subject.place([entry(2, 0, 30)]);
  assert.deepEqual(subject.cellsOf(2), [...range(90, 100), ...range(200, 220)]);
  subject.copy(1, 3, { start: 0, end: 50 });
  subject.remove(1, 0);
  // The cells of the copy stay.
  subject.place([entry(1, 0, 60)]);
  assert.deepEqual(subject.cellsOf(1), [...range(150, 200), ...range(220, 230)]);
});

test("a restored sequence lies in the order of the cells that it had, in its own order where the state does not say", () => {
  const state = (positions: readonly number[]) =>
    new Uint8Array(
      Int32Array.of(0, 7, 1, positions.length, ...positions.flatMap((each) => [each, 1, 7])).buffer,
    );
  const subject = map();
  subject.restore(0, state([2, 0, 1]), 3);
  assert.deepEqual(subject.cellsOf(0), [1, 2, 0]);
  for (const odd of [state([2, 0, 0]), state([1, 0]), new Uint8Array(3)]) {
    subject.restore(1, odd, 3);
    assert.deepEqual(subject.cellsOf(1), [3, 4, 5]);
    subject.remove(1, 0);
  }
});

test("cells are nobody's or of those that hold them, blocks are counted so, and all are free in the end", () => {
  const operations = fc.array(
    fc.oneof(
      fc.record({
        kind: fc.constant("place" as const),
        slot: fc.nat(3),
        count: fc.integer({ min: 1, max: 90 }),
      }),
      fc.record({ kind: fc.constant("remove" as const), slot: fc.nat(3), count: fc.nat(90) }),
      fc.record({ kind: fc.constant("copy" as const), slot: fc.nat(3), count: fc.nat(3) }),
    ),
    { maxLength: 40 },
  );
  fc.assert(
    fc.property(operations, (list) => {
      const subject = map(512);
      const lengths = [0, 0, 0, 0];
      const held = () => new Set(range(0, 4).flatMap((slot) => subject.cellsOf(slot)));
      for (const { kind, slot, count } of list) {
        const length = lengths[slot] ?? 0;
        if (kind === "place" && held().size + count <= 512) {
          const before = held();
          subject.place([entry(slot, length, count)]);
          for (const cell of subject.cellsOf(slot).slice(length)) assert.ok(!before.has(cell) && cell < 512);
          lengths[slot] = length + count;
        } else if (kind === "remove") {
          subject.remove(slot, Math.max(0, length - count));
          lengths[slot] = Math.max(0, length - count);
        } else if (kind === "copy" && lengths[count] === 0) {
          subject.copy(slot, count, { start: 0, end: length });
          assert.deepEqual(subject.cellsOf(count), subject.cellsOf(slot));
          lengths[count] = length;
        }
        assert.deepEqual(
          lengths,
          range(0, 4).map((each) => subject.cellsOf(each).length),
        );
        const blocks = (slots: readonly number[]) =>
          new Set(
            slots.flatMap((each) => subject.cellsOf(each)).map((cell) => Math.floor(cell / blockLength)),
          ).size;
        for (const slots of [[slot], [0, 1, 2, 3]]) assert.equal(subject.blockCountOf(slots), blocks(slots));
      }
      for (const slot of range(0, 4)) subject.remove(slot, 0);
      assert.equal(subject.lookedAtCount(0), 0);
      subject.place([entry(0, 0, 512)]);
      assert.equal(held().size, 512);
    }),
  );
});

function range(start: number, end: number): number[] {
  return Array.from({ length: end - start }, (_, index) => start + index);
}
