import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { simulate, type Call, type Model } from "./testing/simulate-residency.ts";

const model = fc.record({
  bytes: fc.integer({ min: 1, max: 10 }),
  loadMs: fc.integer({ min: 1, max: 2_000 }),
  unloadMs: fc.integer({ min: 0, max: 300 }),
  failures: fc.integer({ min: 0, max: 2 }),
});
const call = fc.record({
  at: fc.integer({ min: 0, max: 20_000 }),
  model: fc.nat(5),
  callMs: fc.integer({ min: 1, max: 1_500 }),
  /** How long the caller waits before it leaves; most stay. */
  patienceMs: fc.option(fc.integer({ min: 0, max: 3_000 }), { nil: null, freq: 3 }),
});
const starvationMs = 3_000;

test("the cap is never exceeded, no model is loaded twice, and everybody is served in a bounded time", () => {
  fc.assert(
    fc.property(
      fc.array(model, { minLength: 6, maxLength: 6 }),
      fc.array(call, { minLength: 20, maxLength: 80 }),
      fc.integer({ min: 10, max: 30 }),
      (models, calls, capBytes) => {
        const result = simulate(models, calls, { capBytes, starvationMs });
        assert.ok(result.mostBytes <= capBytes, `${result.mostBytes} of ${capBytes}`);
        const unanswered = result.calls.filter(
          ({ servedAt, leftAt }) => servedAt === null && leftAt === null,
        );
        assert.deepEqual(unanswered, []);
        // The bound, and for each model a turn of its own: calls that finish, an unload, a load with its failures.
        const turnMs = (one: Model) => 1_500 + one.unloadMs + (1 + one.failures) * (one.loadMs + 100);
        const boundMs = starvationMs + 2 * models.reduce((sum, one) => sum + turnMs(one), 0);
        for (const { at, servedAt } of result.calls)
          assert.ok(servedAt === null || servedAt - at <= boundMs, `${servedAt} - ${at} > ${boundMs}`);
      },
    ),
    { numRuns: 200 },
  );
});

test("models that fit together are each loaded once, whatever is called when", () => {
  fc.assert(
    fc.property(
      fc.array(model, { minLength: 6, maxLength: 6 }),
      fc.array(call, { maxLength: 60 }),
      (models, calls) => {
        const steady = models.map((one) => ({ ...one, failures: 0 }));
        const capBytes = steady.reduce((sum, { bytes }) => sum + bytes, 0);
        const { loads, unloadCount } = simulate(steady, calls, { capBytes, starvationMs });
        assert.equal(unloadCount, 0);
        assert.ok([...loads.values()].every((count) => count === 1));
      },
    ),
  );
});

const alike: Model = { bytes: 1, loadMs: 1_000, unloadMs: 100, failures: 0 };

/** Calls of two models by turns, `gapMs` apart on average. */
function alternating(gapMs: number, totalMs: number, spread: () => number): Call[] {
  const calls: Call[] = [];
  for (let [at, index] = [0, 0]; at < totalMs; at += Math.round(gapMs * spread()), index += 1)
    calls.push({ at, model: index % 2, callMs: 20, patienceMs: null });
  return calls;
}

/** Fewest loads that serve everybody within `boundMs` where one of two models fits: each stays for as long as it can. */
function fewestLoads(calls: readonly Call[], boundMs: number): number {
  const served = new Set<Call>();
  let [loads, at] = [0, 0];
  for (;;) {
    const next = calls.find((call) => !served.has(call));
    if (next === undefined) return loads;
    loads += 1;
    at = Math.max(at, next.at) + alike.loadMs;
    const other = calls.find((call) => call.model !== next.model && !served.has(call));
    const until = other === undefined ? Infinity : other.at + boundMs - alike.loadMs - alike.unloadMs;
    for (const call of calls)
      if (call.model === next.model && call.at <= Math.max(at, until)) served.add(call);
    at = Math.max(at, until) + alike.unloadMs;
  }
}

test("two busy models that take turns are swapped hardly more often than the bound of waiting forces", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 30, max: 150 }),
      fc.infiniteStream(fc.double({ min: 0.2, max: 1.8, noNaN: true })),
      (gapMs, spreads) => {
        const calls = alternating(gapMs, 45_000, () => spreads.next().value ?? 1);
        const { loads, calls: answered } = simulate([alike, alike], calls, {
          capBytes: 1,
          starvationMs: 10_000,
        });
        const count = [...loads.values()].reduce((sum, one) => sum + one, 0);
        const longestMs = Math.max(...answered.map(({ at, servedAt }) => (servedAt ?? Infinity) - at));
        const fewest = fewestLoads(calls, longestMs);
        assert.ok(count <= Math.ceil(fewest * 1.2), `${count} loads, ${fewest} would do`);
        assert.ok(longestMs <= 10_000 + 2 * (alike.loadMs + alike.unloadMs) + 20, `${longestMs} ms`);
      },
    ),
    { numRuns: 10 },
  );
});

test("callers who come one after the other are not held up for calls that do not come", () => {
  // Each waits for its answer and three seconds more: a swap a call is the fewest there can be.
  const calls = Array.from({ length: 20 }, (_, index): Call => {
    return { at: index * 5_000, model: index % 2, callMs: 20, patienceMs: null };
  });
  const { calls: answered } = simulate([alike, alike], calls, { capBytes: 1, starvationMs: 10_000 });
  for (const { at, servedAt } of answered)
    assert.ok((servedAt ?? Infinity) - at <= alike.loadMs + alike.unloadMs, `${servedAt} - ${at}`);
});
