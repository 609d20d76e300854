import assert from "node:assert/strict";
import { test } from "node:test";
import { attendedBetween, createStepCost, type StepShape } from "./step-cost.ts";

/** A device that takes 5 ms a step, 3 ms a token, 2 ms a row and 1 ms for 1,000 attended positions. */
function tookMs({ tokenCount, rowCount, attendedCount }: StepShape): number {
  return 5 + 3 * tokenCount + 2 * rowCount + attendedCount / 1000;
}

function nextTokens(count: number, position: number): StepShape {
  return { tokenCount: count, attendedCount: count * (position + 1), rowCount: count };
}

function withPrompt(base: StepShape, tokenCount: number, start: number): StepShape {
  return {
    tokenCount: base.tokenCount + tokenCount,
    attendedCount: base.attendedCount + attendedBetween(start, start + tokenCount),
    rowCount: base.rowCount,
  };
}

function observed(steps: readonly StepShape[]) {
  const cost = createStepCost();
  for (const shape of steps) cost.observe(shape, tookMs(shape));
  return cost;
}

/** Of several numbers of sequences, some beside a prompt. */
const mixed = Array.from({ length: 40 }, (_, index) => {
  const base = nextTokens(1 + (index % 9), 50 + 11 * index);
  return index % 3 === 0 ? base : withPrompt(base, 16 + (index % 5) * 30, index * 7);
});

function isNear(actual: number | null, expected: number, share = 0.02): void {
  assert.ok(actual !== null && Math.abs(actual - expected) <= share * expected, `${actual} for ${expected}`);
}

test("a row costs what a row costs, and a prompt's tokens, which have none, are not charged for it", () => {
  const cost = observed(mixed);
  const [few, many] = [nextTokens(2, 100), nextTokens(30, 100)];
  for (const shape of [few, many, withPrompt(few, 200, 0), withPrompt(many, 64, 300)])
    isNear(cost.predictMs(shape), tookMs(shape));
  const chunk = cost.tokensWithin(many, { start: 300, everyRow: false }, 250, many) ?? 0;
  isNear(tookMs(withPrompt(many, chunk, 300)) - tookMs(many), 250, 0.03);
});

test("a text whose every row is wanted joins with as many tokens as there is time for rows, too", () => {
  const scored = Array.from({ length: 30 }, (_, index) => {
    const prompt = withPrompt(nextTokens(2, 100), 20 + 5 * index, 10 * index);
    return { ...prompt, rowCount: prompt.tokenCount };
  });
  for (const steps of [scored, [...mixed, ...scored]]) {
    const base = nextTokens(2, 100);
    const chunk = observed(steps).tokensWithin(base, { start: 50, everyRow: true }, 250, base) ?? 0;
    const shape = withPrompt(base, chunk, 50);
    isNear(tookMs({ ...shape, rowCount: shape.tokenCount }) - tookMs(base), 250, 0.06);
  }
});

test("what is known holds over a million steps, far positions among them", () => {
  const cost = createStepCost();
  for (let index = 0; index < 1_000_000; index += 1) {
    const position = index % 997 === 0 ? 100_000 : 100 + (index % 4_000);
    const next = nextTokens(1 + (index % 7), position);
    const shape = index % 1_000 === 0 ? withPrompt(next, 512, position) : next;
    cost.observe(shape, tookMs(shape));
  }
  for (const shape of [nextTokens(3, 200), withPrompt(nextTokens(3, 200), 128, 50)])
    isNear(cost.predictMs(shape), tookMs(shape), 0.05);
});

test("a long answer alone does not make the fit forget what prompts cost", () => {
  const answers = Array.from({ length: 3_000 }, (_, index) => nextTokens(4, 100 + index));
  const cost = observed([...mixed, ...answers]);
  const shape = withPrompt(nextTokens(4, 3_100), 128, 0);
  isNear(cost.predictMs(shape), tookMs(shape), 0.05);
});

test("a device that became slower is known to be so after some steps of the same kind", () => {
  const cost = observed(mixed);
  for (let index = 0; index < 400; index += 1) {
    const shape = nextTokens(1 + (index % 9), 100);
    cost.observe(shape, 3 * tookMs(shape));
  }
  isNear(cost.predictMs(nextTokens(5, 100)), 3 * tookMs(nextTokens(5, 100)), 0.05);
});

test("chunks are not small for long because the fit of the first steps was wrong", () => {
  const start = { start: 0, everyRow: false };
  const steps = [withPrompt(nextTokens(0, 0), 32, 0), ...Array.from({ length: 8 }, () => nextTokens(1, 40))];
  const base = nextTokens(1, 40);
  const chunk = observed(steps).tokensWithin(base, start, 250, base) ?? 0;
  const addedMs = tookMs(withPrompt(base, chunk, 0)) - tookMs(base);
  assert.ok(addedMs > 250 / 2 && addedMs <= 250, `${chunk} tokens take ${addedMs} ms`);
});
