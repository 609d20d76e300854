// What is kept, as tokens of others are computed past it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { createKvCache } from "./kv-cache.ts";
import { createStoredPrefixes } from "./stored-prefixes.ts";

const length = 400;
/** As much as a bound that two of them do not fit into: 0.03 ms a token are taken to be needed. */
const boundMs = 20;

function keepFour() {
  const cache = createKvCache({
    slotCount: 8,
    cellCount: 4096,
    sharesPrefixes: true,
    costOf: (start, end) => end - start,
    stored: createStoredPrefixes([]),
  });
  for (const [index, slot] of (cache.takeSlots(4) ?? []).entries()) {
    const ids = Array.from({ length }, (_, position) => index * 10_000 + position);
    cache.open(slot, "", ids);
    cache.compute(slot, length);
    cache.retire(slot, "", ids);
  }
  const saves = () => cache.takeOperations().filter(({ kind }) => kind === "save").length;
  saves();
  return { cache, saves };
}

test("what leaves while there is room leaves a few at a time, also in the first step after a quiet time", () => {
  const { cache, saves } = keepFour();
  cache.allowMoves(Infinity);
  cache.passOver(300, boundMs);
  assert.equal(saves(), 1);
  for (const left of [2, 1, 0]) {
    cache.allowMoves(boundMs);
    cache.passOver(1, boundMs);
    assert.equal(saves(), 1);
    assert.equal(cache.keptCellCount, left * length);
  }
});

test("what could not come back within the bound stays", () => {
  const { cache, saves } = keepFour();
  cache.allowMoves(Infinity);
  for (let step = 0; step < 10; step++) cache.passOver(300, 10);
  assert.equal(saves(), 0);
  assert.equal(cache.keptCellCount, 4 * length);
});
