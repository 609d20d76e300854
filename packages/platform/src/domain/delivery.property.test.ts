import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { mostAttempts, retryDelayMs, verdictOf } from "./delivery.ts";

const chance = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
const attempts = Array.from({ length: mostAttempts - 1 }, (_, index) => index + 1);
const answered = (status: number, retryAfter: number | null = null) =>
  ({ kind: "answered", status, retryAfterMs: retryAfter, excerpt: "" }) as const;

test("every delivery ends: after ten attempts, within a day, whatever chance says", () => {
  fc.assert(
    fc.property(
      fc.array(chance, { minLength: 9, maxLength: 9 }),
      fc.constantFrom(408, 429, 500, 503),
      (dice, status) => {
        let totalMs = 0;
        for (const [index, roll] of dice.entries()) {
          const verdict = verdictOf(answered(status), index + 1, roll);
          assert.equal(verdict.kind, "retry");
          totalMs += verdict.kind === "retry" ? verdict.delayMs : 0;
        }
        assert.ok(totalMs < 24 * 3_600_000);
        assert.equal(verdictOf(answered(status), mostAttempts, 0).kind, "dead");
      },
    ),
  );
});

test("a pause is spread over its whole range, and the ranges grow to hours", () => {
  for (const attempt of attempts) {
    assert.equal(retryDelayMs(attempt, 0), 1_000);
    fc.assert(
      fc.property(chance, chance, (a, b) => {
        const [low, high] = [Math.min(a, b), Math.max(a, b)];
        assert.ok(retryDelayMs(attempt, low) <= retryDelayMs(attempt, high));
      }),
    );
  }
  const average = attempts.reduce((sum, attempt) => sum + retryDelayMs(attempt, 0.5), 0);
  assert.equal(Math.round(average / 3_600_000), 11);
});

test("what the receiver says decides: taken, later, or never", () => {
  fc.assert(
    fc.property(fc.integer({ min: 200, max: 599 }), (status) => {
      const expected =
        status < 300 ? "succeeded" : status >= 500 || status === 408 || status === 429 ? "retry" : "dead";
      assert.equal(verdictOf(answered(status), 1, 0.5).kind, expected);
    }),
  );
  assert.equal(verdictOf({ kind: "failed", reason: "no answer" }, 1, 0).kind, "retry");
  assert.equal(verdictOf({ kind: "refused", problem: "leads nowhere" }, 1, 0).kind, "dead");
});

test("a pause that the receiver asks for is waited for, but six hours at most", () => {
  const delayOf = (after: number) => {
    const verdict = verdictOf(answered(429, after), 1, 0);
    return verdict.kind === "retry" ? verdict.delayMs : null;
  };
  assert.deepEqual([120_000, 0, 1e12].map(delayOf), [120_000, 1_000, 6 * 3_600_000]);
});
