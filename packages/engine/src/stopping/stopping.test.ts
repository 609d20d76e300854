import assert from "node:assert/strict";
import { test } from "node:test";
import { createEndToken } from "./end-token.ts";
import { finishReasonOf, finishReasonOfFailure } from "./finish-reason.ts";
import { createMaxLength } from "./max-length.ts";
import { createMaxTime } from "./max-time.ts";
import { padRows } from "./padding.ts";

const criteria = [createEndToken([7, 9]), createMaxLength(4), createMaxTime(50)];

test("any of several end tokens stops a sequence, and stands before its length", () => {
  assert.equal(finishReasonOf(criteria, [1], 5, 0), null);
  assert.equal(finishReasonOf(criteria, [1], 7, 0), "stop");
  assert.equal(finishReasonOf(criteria, [1], 9, 0), "stop");
  assert.equal(finishReasonOf(criteria, [1, 2, 3], 9, 0), "stop");
});

test("the greatest length counts the prompt and the token that reaches it", () => {
  assert.equal(finishReasonOf(criteria, [1, 2], 3, 0), null);
  assert.equal(finishReasonOf(criteria, [1, 2, 3], 4, 0), "length");
});

test("a sequence ends once more time than it was given has passed, for a better reason where there is one", () => {
  assert.equal(finishReasonOf(criteria, [1], 5, 50), null);
  assert.equal(finishReasonOf(criteria, [1], 5, 50.1), "time");
  assert.equal(finishReasonOf(criteria, [1], 9, 60), "stop");
  assert.equal(finishReasonOf(criteria, [1, 2, 3], 5, 60), "length");
});

test("an end token in the prompt does not stop a sequence", () => {
  assert.equal(finishReasonOf(criteria, [7, 9], 1, 0), null);
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
