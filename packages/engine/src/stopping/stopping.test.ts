import assert from "node:assert/strict";
import { test } from "node:test";
import { createEndToken } from "./end-token.ts";
import { finishReasonOf, finishReasonOfFailure } from "./finish-reason.ts";
import { createMaxLength } from "./max-length.ts";
import { padRows } from "./padding.ts";

const criteria = [createEndToken([7, 9]), createMaxLength(4)];

test("any of several end tokens stops a sequence, and stands before its length", () => {
  assert.equal(finishReasonOf(criteria, [1], 5), null);
  assert.equal(finishReasonOf(criteria, [1], 7), "stop");
  assert.equal(finishReasonOf(criteria, [1], 9), "stop");
  assert.equal(finishReasonOf(criteria, [1, 2, 3], 9), "stop");
});

test("the greatest length counts the prompt and the token that reaches it", () => {
  assert.equal(finishReasonOf(criteria, [1, 2], 3), null);
  assert.equal(finishReasonOf(criteria, [1, 2, 3], 4), "length");
});

test("an end token in the prompt does not stop a sequence", () => {
  assert.equal(finishReasonOf(criteria, [7, 9], 1), null);
});

test("rows are padded to the longest, or left alone without a pad token", () => {
  assert.deepEqual(padRows([[1, 2, 3], [4], []], 0), [
    [1, 2, 3],
    [4, 0, 0],
    [0, 0, 0],
  ]);
  assert.deepEqual(padRows([[1, 2], [3]], null), [[1, 2], [3]]);
});

test("what was ended from outside is an abort, the rest an error", () => {
  assert.equal(finishReasonOfFailure("aborted"), "abort");
  assert.equal(finishReasonOfFailure("timeout"), "abort");
  assert.equal(finishReasonOfFailure("decode_failed"), "error");
});
