import assert from "node:assert/strict";
import { test } from "node:test";
import { createFakeModel, hashedLogits } from "@corral/engine/testing";
import { cutWindows, scoreRow, scoreWindows } from "./score-text.ts";
import { differenceOf, median } from "./statistics.ts";

test("every token of a text is a target once, whatever the windows' length", () => {
  const tokens = Array.from({ length: 23 }, (_, index) => index);
  for (const length of [2, 3, 7, 24, 100]) {
    const windows = cutWindows(tokens, length, 99);
    assert.deepEqual(
      windows.flatMap((window) => window.slice(1)),
      tokens,
    );
    assert.ok(windows.every((window) => window.length <= length && window[0] === 99));
  }
});

test("without a first token of the tokenizer's the first of each window is context only", () => {
  assert.deepEqual(cutWindows([1, 2, 3, 4, 5], 2, null), [
    [1, 2],
    [3, 4],
  ]);
});

test("a row's score is that of its softmax, even with large logits", () => {
  const { logProbability, best } = scoreRow(Float32Array.from([1000, 1001, 999]), 0);
  const expected = Math.log(1 / (1 + Math.E + Math.exp(-1)));
  assert.ok(Math.abs(logProbability - expected) < 1e-12);
  assert.equal(best, 1);
});

test("windows are scored as if each token were computed alone", async () => {
  const vocabSize = 50;
  const windows = [
    [1, 2, 3, 4, 5, 6, 7],
    [8, 9],
  ];
  const limits = { vocabSize, slotCount: 1, cellCount: 64, contextLength: 64, maxBatchTokenCount: 3 };
  using runner = createFakeModel({ ...limits, logits: hashedLogits });
  let told = 0;
  const { logProbabilities, best } = await scoreWindows(runner, windows, (count) => (told += count));
  const expected = windows.flatMap((window) =>
    window
      .slice(1)
      .map((target, index) => scoreRow(hashedLogits(window.slice(0, index + 1), vocabSize), target)),
  );
  assert.deepEqual(
    [...logProbabilities],
    expected.map(({ logProbability }) => logProbability),
  );
  assert.deepEqual(
    [...best],
    expected.map((row) => row.best),
  );
  assert.equal(told, 7);
});

test("a change of perplexity is that of the pairs, and its error shrinks where all tokens agree", () => {
  const scored = (values: readonly number[], best: readonly number[]) => ({
    logProbabilities: Float64Array.from(values),
    best: Int32Array.from(best),
  });
  const reference = scored([-1, -2, -3], [1, 2, 3]);
  const evenly = differenceOf(reference, scored([-1.1, -2.1, -3.1], [1, 2, 4]));
  assert.ok(Math.abs(evenly.perplexity - Math.exp(2.1)) < 1e-12);
  assert.ok(Math.abs(evenly.change - (Math.exp(0.1) - 1)) < 1e-12);
  assert.ok(evenly.changeError < 1e-12);
  assert.equal(evenly.sameBest, 2 / 3);
  const unevenly = differenceOf(reference, scored([-1, -2, -3.3], [1, 2, 3]));
  assert.ok(Math.abs(unevenly.changeError - (Math.exp(0.1) * Math.sqrt(0.03)) / Math.sqrt(3)) < 1e-9);
});

test("a median is the middle, or between the two in the middle", () => {
  assert.equal(median([5]), 5);
  assert.equal(median([9, 1, 5]), 5);
  assert.equal(median([9, 1, 5, 7]), 6);
});
