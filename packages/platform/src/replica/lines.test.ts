import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { lineSplitter } from "./lines.ts";

test("lines come out whole however the bytes are cut", () => {
  fc.assert(
    fc.property(
      fc.array(fc.string({ unit: "grapheme" }).map((text) => text.replaceAll("\n", ""))),
      fc.array(fc.nat(40)),
      (lines, cuts) => {
        const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(""));
        const seen: string[] = [];
        const take = lineSplitter(1_000_000, (line) => seen.push(line), assert.fail);
        let from = 0;
        for (const cut of [...cuts, bytes.length]) {
          take(bytes.subarray(from, from + cut));
          from = Math.min(bytes.length, from + cut);
        }
        assert.deepEqual(
          seen,
          lines.filter((line) => line !== ""),
        );
      },
    ),
  );
});

test("a line without an end is told once it is over the limit", () => {
  let overflowCount = 0;
  const take = lineSplitter(10, assert.fail, () => (overflowCount += 1));
  take(Buffer.from("0123456789"));
  assert.equal(overflowCount, 0);
  take(Buffer.from("x"));
  assert.equal(overflowCount, 1);
});
