import type { GeneratedSequence, RecordedToken } from "@corral/engine";
import assert from "node:assert/strict";
import { test } from "node:test";
import { scoresOnWire } from "./scores-on-wire.ts";

function sequence(ids: readonly number[], recorded?: readonly RecordedToken[]): GeneratedSequence {
  return {
    ids,
    text: "",
    finishReason: "stop",
    generatedTokenCount: ids.length,
    ...(recorded === undefined ? {} : { recorded }),
  };
}

const whole = (...scores: number[]): RecordedToken => ({
  scores: Float32Array.from(scores),
  logits: null,
  logprobs: null,
});

test("scores stand by step, row and id, and -Infinity is null", () => {
  const rows = [sequence([1, 0], [whole(0.1, -Infinity), whole(2, NaN)]), sequence([0], [whole(3, 4)])];
  const { scores, logits } = scoresOnWire(rows);
  assert.deepEqual(scores, [
    [
      [0.100000001, null],
      [3, 4],
    ],
    [[2, null], null],
  ]);
  assert.equal(logits, undefined);
  assert.equal(Math.fround(0.100000001), Math.fround(0.1));
});

test("the best of each row are ids with values beside the chosen token's", () => {
  const best = {
    chosen: -Infinity,
    top: [
      { id: 7, score: 1.5 },
      { id: 2, score: 1 },
    ],
  };
  const recorded = [{ scores: null, logits: best, logprobs: null }];
  assert.deepEqual(scoresOnWire([sequence([5], recorded)]), {
    logits: [[{ ids: [7, 2], values: [1.5, 1], chosen: null }]],
  });
});

test("without recorded scores there is no field for them", () => {
  assert.deepEqual(scoresOnWire([sequence([1])]), {});
});
