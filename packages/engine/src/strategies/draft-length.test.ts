import assert from "node:assert/strict";
import { test } from "node:test";
import { draftLengthThatPays } from "./draft-length.ts";

/** A device whose steps take `fixed` and `each` more for every token. */
const device = (fixed: number, each: number, tokenCount = 1) => ({
  tokenCount,
  stepMs: (draftedCount: number) => fixed + each * (tokenCount + draftedCount),
});

test("where more tokens cost next to nothing, all that are likely enough are verified", () => {
  assert.equal(draftLengthThatPays(10, { ...device(20, 0), acceptance: 0.5 }), 10);
  const length = draftLengthThatPays(10, { ...device(20, 0.5), acceptance: 0.6 });
  assert.ok(length > 2 && length < 10, `${length}`);
});

test("where each token costs what a step costs, nothing is verified, however likely it is", () => {
  assert.equal(draftLengthThatPays(10, { ...device(0, 20), acceptance: 1 }), 0);
  assert.equal(draftLengthThatPays(10, { ...device(2, 20), acceptance: 0.8 }), 0);
});

test("unlikely drafts do not pay on the same device where likely ones do", () => {
  const prices = device(10, 4);
  assert.equal(draftLengthThatPays(4, { ...prices, acceptance: 0.2 }), 0);
  assert.ok(draftLengthThatPays(4, { ...prices, acceptance: 0.9 }) > 0);
});

test("a step that many share is made longer for all of them, so that a draft pays later", () => {
  assert.ok(draftLengthThatPays(4, { ...device(20, 2), acceptance: 0.5 }) > 0);
  assert.equal(draftLengthThatPays(4, { ...device(20, 2, 30), acceptance: 0.5 }), 0);
});

test("before anything was measured nothing is verified", () => {
  assert.equal(draftLengthThatPays(4, { tokenCount: 1, acceptance: 1, stepMs: () => null }), 0);
  assert.equal(draftLengthThatPays(4, { tokenCount: 1, acceptance: 1, stepMs: () => 0 }), 0);
});
