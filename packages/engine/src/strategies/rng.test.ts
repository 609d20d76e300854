import assert from "node:assert/strict";
import { test } from "node:test";
import { philox4x32, uniformAt } from "./rng.ts";

test("philox4x32 gives the known answers of Random123", () => {
  assert.deepEqual(philox4x32([0, 0, 0, 0], [0, 0]), [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]);
  const ones = 0xffffffff;
  assert.deepEqual(
    philox4x32([ones, ones, ones, ones], [ones, ones]),
    [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd],
  );
  assert.deepEqual(
    philox4x32([0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344], [0xa4093822, 0x299f31d0]),
    [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
  );
});

test("a draw depends on its seed, prompt, sequence and position, and on nothing else", () => {
  const place = { seed: 2 ** 40 + 7, promptIndex: 1, sequenceIndex: 2, position: 3 };
  assert.equal(uniformAt(place), uniformAt({ ...place }));
  const others = [
    { ...place, seed: 7 },
    { ...place, promptIndex: 2 },
    { ...place, sequenceIndex: 1 },
    { ...place, position: 4 },
  ];
  assert.equal(new Set([place, ...others].map(uniformAt)).size, 5);
});

test("draws are spread evenly over [0, 1)", () => {
  const counts = Array.from({ length: 20 }, () => 0);
  const drawCount = 20_000;
  for (let position = 0; position < drawCount; position++) {
    const draw = uniformAt({ seed: 1, promptIndex: 0, sequenceIndex: 0, position });
    assert.ok(draw >= 0 && draw < 1);
    counts[Math.floor(draw * 20)]! += 1;
  }
  const expected = drawCount / 20;
  const chiSquared = counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
  // 19 degrees of freedom: 0.999 of all are below 43.8.
  assert.ok(chiSquared < 43.8, `χ² ${chiSquared}`);
});
