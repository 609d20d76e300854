import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { createCells } from "./cells.ts";
import { createSlots } from "./slots.ts";

const slotCount = 4;
const cellCount = 24;
const slot = fc.nat(slotCount - 1);
const command = fc.oneof(
  fc.record({ kind: fc.constant("extend" as const), slot, count: fc.nat(8) }),
  fc.record({ kind: fc.constant("share" as const), source: slot, target: slot, length: fc.nat(12) }),
  fc.record({ kind: fc.constant("truncate" as const), slot, length: fc.nat(12) }),
);

test("cells are conserved and equal a naive map of slots to cells over any commands", () => {
  fc.assert(
    fc.property(fc.array(command, { maxLength: 60 }), (commands) => {
      const cells = createCells(cellCount, slotCount);
      const naive: symbol[][] = Array.from({ length: slotCount }, () => []);
      for (const step of commands) {
        const usedCount = new Set(naive.flat()).size;
        if (step.kind === "extend") {
          if (usedCount + step.count > cellCount) {
            assert.throws(() => cells.extend(step.slot, step.count), RangeError);
            continue;
          }
          cells.extend(step.slot, step.count);
          naive[step.slot]!.push(...Array.from({ length: step.count }, () => Symbol()));
        } else if (step.kind === "share") {
          const [source, target] = [naive[step.source]!, naive[step.target]!];
          if (target.length > 0 || step.length > source.length) {
            assert.throws(() => cells.share(step.source, step.target, step.length), RangeError);
            continue;
          }
          cells.share(step.source, step.target, step.length);
          target.push(...source.slice(0, step.length));
        } else {
          cells.truncate(step.slot, step.length);
          naive[step.slot]!.splice(step.length);
        }
        assert.equal(cells.usedCount, new Set(naive.flat()).size);
        assert.deepEqual(
          naive.map(({ length }) => length),
          naive.map((_, index) => cells.lengthOf(index)),
        );
        assert.deepEqual(cells.integrity(), []);
      }
    }),
  );
});

test("every copy and removal is kept as an operation, once and in order", () => {
  const cells = createCells(8, 2);
  cells.extend(0, 3);
  cells.share(0, 1, 2);
  cells.truncate(0, 1);
  cells.truncate(0, 1);
  assert.deepEqual(cells.takeOperations(), [
    { kind: "copy", source: 0, target: 1, range: { start: 0, end: 2 } },
    { kind: "remove", slot: 0, range: { start: 1, end: 3 } },
  ]);
  assert.equal(cells.hasOperations, false);
});

test("slots are given lowest first, all or none, and not twice back", () => {
  const slots = createSlots(4);
  assert.deepEqual(slots.take(3), [0, 1, 2]);
  assert.equal(slots.take(2), null);
  slots.give([1, 0]);
  assert.deepEqual(slots.take(2), [0, 1]);
  slots.give([2]);
  assert.throws(() => slots.give([2]), RangeError);
  assert.throws(() => slots.give([9]), RangeError);
});
