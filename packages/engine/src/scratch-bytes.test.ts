import assert from "node:assert/strict";
import { test } from "node:test";
import { createScratchBytes } from "./scratch-bytes.ts";

test("the same bytes are given again as long as they are enough, and a little more than were asked for are", () => {
  const scratch = createScratchBytes();
  const first = scratch(1_000);
  assert.equal(first.length, 1_000);
  for (const length of [1_000, 10, 0, 1_500]) {
    const again = scratch(length);
    assert.equal(again.length, length);
    assert.equal(again.buffer, first.buffer);
  }
  assert.notEqual(scratch(1_501).buffer, first.buffer);
});

test("more than 32 MiB are not kept", () => {
  const scratch = createScratchBytes();
  const kept = scratch(1_000);
  assert.equal(scratch(33 * 1024 ** 2).length, 33 * 1024 ** 2);
  assert.equal(scratch(1_000).buffer, kept.buffer);
});
