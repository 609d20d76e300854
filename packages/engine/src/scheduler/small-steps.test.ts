import assert from "node:assert/strict";
import { test } from "node:test";
import { createSmallSteps } from "./small-steps.ts";

test("a count that was measured is known, whatever a line through all steps says", () => {
  const steps = createSmallSteps();
  steps.observe(1, 50);
  steps.observe(4, 150);
  assert.equal(steps.predictMs(1, 7), 50);
  assert.equal(steps.predictMs(4, 65), 150);
});

test("between two that were measured lies what is between them, beyond them the fit but never less", () => {
  const steps = createSmallSteps();
  assert.equal(steps.predictMs(3, null), null);
  assert.equal(steps.predictMs(3, 20), null);
  steps.observe(2, 50);
  assert.equal(steps.predictMs(1, 45), null, "no step of as few");
  assert.equal(steps.predictMs(3, 20), 50);
  assert.equal(steps.predictMs(3, 60), 60);
  assert.equal(steps.predictMs(3, null), 50);
  steps.observe(6, 130);
  assert.equal(steps.predictMs(3, 500), 70);
});

test("new times replace old ones by and by, and one that was held up changes little", () => {
  const steps = createSmallSteps();
  steps.observe(2, 10);
  steps.observe(2, 20);
  assert.equal(steps.predictMs(2, null), 12.5);
  steps.observe(2, 10_000);
  assert.equal(steps.predictMs(2, null), 12.5 + 0.25 * 37.5);
});

test("large steps are left to the fit", () => {
  const steps = createSmallSteps();
  steps.observe(300, 1);
  assert.equal(steps.predictMs(300, 900), 900);
  assert.equal(steps.predictMs(64, 5), null);
});
