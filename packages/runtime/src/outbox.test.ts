import type { ReportBody } from "@corral/contract";
import fc from "fast-check";
import assert from "node:assert/strict";
import { test } from "node:test";
import { Outbox } from "./outbox.ts";

const report = (rss: number): ReportBody => ({ kind: "memory", rss_bytes: rss });

function takeAll(outbox: Outbox): number[] {
  const numbers: number[] = [];
  for (let next = outbox.takeUnsent(); next !== null; next = outbox.takeUnsent()) numbers.push(next.number);
  return numbers;
}

test("reports are numbered from 1 and taken once, in order", () => {
  const outbox = new Outbox();
  assert.deepEqual([outbox.add(report(1)), outbox.add(report(2))], [1, 2]);
  assert.deepEqual(takeAll(outbox), [1, 2]);
  assert.deepEqual(takeAll(outbox), []);
});

test("after a new connection everything that is not acknowledged comes again, in order", () => {
  const outbox = new Outbox();
  for (let index = 0; index < 5; index += 1) outbox.add(report(index));
  takeAll(outbox);
  assert.ok(outbox.acknowledge(2));
  outbox.rewind();
  assert.deepEqual(takeAll(outbox), [3, 4, 5]);
  assert.equal(outbox.keptCount, 3);
});

test("an acknowledgement of an older number changes nothing, one of a number that never was is refused", () => {
  const outbox = new Outbox();
  for (let index = 0; index < 3; index += 1) outbox.add(report(index));
  assert.ok(outbox.acknowledge(3));
  assert.ok(outbox.acknowledge(1));
  assert.equal(outbox.acknowledged, 3);
  assert.equal(outbox.acknowledge(4), false);
});

test("whatever the order of adding, sending, acknowledging and dialling, no report is lost or out of order", () => {
  const action = fc.oneof(
    fc.constant("add" as const),
    fc.constant("take" as const),
    fc.constant("rewind" as const),
    fc.record({ acknowledge: fc.double({ min: 0, max: 1, noNaN: true }) }),
  );
  fc.assert(
    fc.property(fc.array(action, { maxLength: 80 }), (actions) => {
      const outbox = new Outbox();
      let seen: number[] = [];
      let highestTaken = 0;
      for (const step of actions) {
        if (step === "add") outbox.add(report(0));
        else if (step === "rewind") {
          outbox.rewind();
          seen = [];
        } else if (step === "take") {
          const next = outbox.takeUnsent();
          if (next === null) continue;
          assert.equal(next.number, (seen.at(-1) ?? outbox.acknowledged) + 1);
          seen.push(next.number);
          highestTaken = Math.max(highestTaken, next.number);
        } else outbox.acknowledge(Math.floor(step.acknowledge * highestTaken));
        if (seen.length > 0 && seen.at(-1)! < outbox.acknowledged) seen.push(outbox.acknowledged);
        assert.equal(outbox.keptCount, outbox.lastNumber - outbox.acknowledged);
      }
      outbox.rewind();
      const left = takeAll(outbox);
      assert.deepEqual(
        left,
        Array.from({ length: outbox.keptCount }, (_, index) => outbox.acknowledged + 1 + index),
      );
    }),
  );
});
