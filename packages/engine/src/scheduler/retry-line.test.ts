import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { createRetryLine, type RetryLine } from "./retry-line.ts";

const call = (content: string, owner = "owner", weight = 1) => ({ owner, weight, content });

/** A line whose places become free every 100 ms. */
function warmLine(placeCount: number): RetryLine {
  const line = createRetryLine(placeCount);
  line.settled(1, -10_100);
  for (let nowMs = -10_000; nowMs <= 0; nowMs += 100) line.placeFreed(nowMs);
  return line;
}

test("a free place is kept for the call that was promised it", () => {
  const line = warmLine(8);
  const seconds = line.ask(call("first"), 0, 0);
  assert.ok(seconds !== null && Math.abs(seconds - 0.1) < 0.001);
  assert.notEqual(line.ask(call("passing by"), 1, 100), null);
  assert.equal(line.ask(call("first"), 1, 100), null);
  // It has left the line with its place.
  assert.notEqual(line.ask(call("first"), 0, 100), null);
});

test("a second free place is anybody's", () => {
  const line = warmLine(8);
  line.ask(call("first"), 0, 0);
  assert.equal(line.ask(call("passing by"), 2, 100), null);
});

test("calls that say the same have a place each", () => {
  const line = warmLine(8);
  const told = Array.from({ length: 3 }, () => line.ask(call("hello"), 0, 0) ?? 0);
  assert.deepEqual(
    told.map((seconds) => seconds.toFixed(3)),
    ["0.100", "0.200", "0.300"],
  );
});

test("who comes when it was told and is too early for once keeps its place", () => {
  const line = warmLine(8);
  line.ask(call("first"), 0, 0);
  line.ask(call("second"), 0, 0);
  const again = line.ask(call("first"), 0, 100);
  assert.ok(again !== null && Math.abs(again - 0.1) < 0.001);
  assert.equal(line.ask(call("first"), 1, 200), null);
});

test("the few calls of one owner are not behind the many of another", () => {
  const line = warmLine(64);
  for (let index = 0; index < 100; index += 1) line.ask(call(`hog ${index}`, "hog"), 0, 0);
  const guest = line.ask(call("guest", "guest"), 0, 0);
  assert.ok(guest !== null && Math.abs(guest - 0.2) < 0.001, `${guest} s`);
  const heavy = line.ask(call("heavy", "heavy", 4), 0, 0);
  assert.ok(heavy !== null && heavy < 0.101, `${heavy} s`);
});

test("groups that find the engine idle are no measure of how fast places become free", () => {
  const line = createRetryLine(8);
  for (let index = 0; index < 50; index += 1) line.placeFreed(0);
  line.settled(3, 0);
  line.placeFreed(400);
  assert.equal(line.ask(call("refused"), 0, 400), 0.4);
});

/** Eight calls for every place, each new; a refused one comes again, if at all, in the whole seconds it was told. */
function simulate(comesAgain: (index: number) => boolean) {
  const line = warmLine(64);
  const arrivals = new Map<number, { index: number; refusedAtMs: number; toldMs: number }[]>();
  const ratios: number[] = [];
  let [free, admittedCount, index] = [0, 0, 0];
  const tickMs = 4;
  for (let nowMs = 0; nowMs < 300_000; nowMs += tickMs) {
    // Places come in bursts of four, as slots do.
    if (nowMs % 400 === 0) {
      for (let burst = 0; burst < 4; burst += 1) line.placeFreed(nowMs);
      free = Math.min(64, free + 4);
    }
    const retries = arrivals.get(nowMs) ?? [];
    arrivals.delete(nowMs);
    const fresh = nowMs % 12 === 0 ? [{ index: index++, refusedAtMs: nowMs, toldMs: 0 }] : [];
    for (const attempt of [...retries, ...fresh]) {
      const seconds = line.ask(call(`call ${attempt.index}`), free, nowMs);
      if (seconds === null) {
        free -= 1;
        admittedCount += 1;
        if (attempt.toldMs > 0) ratios.push(attempt.toldMs / (nowMs - attempt.refusedAtMs));
        continue;
      }
      if (!comesAgain(attempt.index)) continue;
      const waitMs = Math.ceil(seconds) * 1_000;
      const at = nowMs + waitMs;
      const toldMs = attempt.toldMs > 0 ? attempt.toldMs : waitMs;
      arrivals.set(at, [...(arrivals.get(at) ?? []), { ...attempt, toldMs }]);
    }
  }
  return { ratios: ratios.toSorted((a, b) => a - b), admittedShare: admittedCount / 3_000 };
}

test("under eight times the load a retry is admitted when it was told, and no place stays empty", () => {
  const { ratios, admittedShare } = simulate(() => true);
  assert.ok(ratios.length > 2_000);
  const [low = 0, high = 0] = [ratios[Math.floor(ratios.length / 10)], ratios[Math.floor(ratios.length / 2)]];
  assert.ok(low > 0.8 && high <= 1, `${low}, ${high}`);
  assert.ok(admittedShare > 0.97, `${admittedShare}`);
});

test("callers who never come again leave no place empty", () => {
  const { admittedShare } = simulate(() => false);
  assert.ok(admittedShare > 0.97, `${admittedShare}`);
});

test("where every other one comes again, those who do are admitted when they were told", () => {
  const { ratios, admittedShare } = simulate((index) => index % 2 === 0);
  const middle = ratios[Math.floor(ratios.length / 2)] ?? 0;
  assert.ok(middle > 0.8 && middle <= 1.2, `${middle}`);
  assert.ok(admittedShare > 0.97, `${admittedShare}`);
});

const moment = fc.record({
  owner: fc.constantFrom("a", "b", "c"),
  weight: fc.integer({ min: 1, max: 4 }),
  content: fc.nat(5),
  free: fc.integer({ min: -1, max: 6 }),
  afterMs: fc.constantFrom(0, 10, 100, 1_000, 20_000),
  isFreed: fc.boolean(),
});

test("the line agrees with itself, and every wait has its bounds, whoever comes when", () => {
  fc.assert(
    fc.property(fc.array(moment, { maxLength: 200 }), (moments) => {
      const line = createRetryLine(6);
      let nowMs = 0;
      line.settled(1, nowMs);
      for (const { owner, weight, content, free, afterMs, isFreed } of moments) {
        nowMs += afterMs;
        if (isFreed) line.placeFreed(nowMs);
        const seconds = line.ask(call(String(content), owner, weight), free, nowMs);
        if (seconds === null) assert.ok(free > 0, "nobody is let in without a place");
        else assert.ok(seconds >= 0.05 && seconds <= 600);
        if (free > 3) assert.equal(seconds, null, "half of the places are for anybody");
        assert.deepEqual(line.integrity(), []);
      }
    }),
    { numRuns: 300 },
  );
});
