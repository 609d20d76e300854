import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { advanceProgress, reportProgress, startProgress } from "./progress.ts";

test("bytes never fall and never exceed the total, whatever is told and whenever", () => {
  const event = fc.record({ done: fc.nat(2000), received: fc.nat(500), afterMs: fc.nat(4000) });
  fc.assert(
    fc.property(fc.array(event, { maxLength: 60 }), fc.nat(1000), (events, present) => {
      let now = 0;
      let state = startProgress(1000, present, now);
      let before = 0;
      for (const { done, received, afterMs } of events) {
        now += afterMs;
        state = advanceProgress(state, done, received, now);
        const report = reportProgress(state, now);
        assert.ok(report.doneBytes >= before && report.doneBytes <= 1000);
        assert.ok(report.bytesPerSecond === null || report.bytesPerSecond >= 0);
        assert.ok(report.etaSeconds === null || report.etaSeconds >= 0);
        before = report.doneBytes;
      }
      assert.ok(state.samples.length <= 110);
    }),
  );
});

test("a steady stream has its rate and its end, without what lay there before", () => {
  let state = startProgress(10_000, 4_000, 0);
  for (let now = 500; now <= 3_000; now += 500) state = advanceProgress(state, 4_000 + now, 500, now);
  assert.deepEqual(reportProgress(state, 3_000), {
    doneBytes: 7_000,
    totalBytes: 10_000,
    bytesPerSecond: 1_000,
    etaSeconds: 3,
  });
});

test("a stream that stopped has no end in sight after the window", () => {
  let state = startProgress(10_000, 0, 0);
  state = advanceProgress(state, 1_000, 1_000, 1_000);
  state = advanceProgress(state, 1_000, 0, 12_000);
  state = advanceProgress(state, 1_000, 0, 24_000);
  assert.deepEqual(reportProgress(state, 24_500), {
    doneBytes: 1_000,
    totalBytes: 10_000,
    bytesPerSecond: 0,
    etaSeconds: null,
  });
});

test("nothing is said of the rate in the first moments", () => {
  const state = advanceProgress(startProgress(10, 0, 0), 5, 5, 50);
  assert.equal(reportProgress(state, 50).bytesPerSecond, null);
});
