import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  begun,
  ended,
  endpointLimits,
  freeCount,
  isForgettable,
  newEndpoint,
  type Endpoint,
} from "./endpoint.ts";

const { failureCount, firstOpenMs, mostOpenMs, inFlightCount } = endpointLimits;

function failing(count: number, nowMs = 0): Endpoint {
  let endpoint = newEndpoint;
  for (let call = 0; call < count; call++) endpoint = ended(begun(endpoint), true, null, nowMs);
  return endpoint;
}

test("failures in a row open the breaker, and one probe at a time tells whether it closes", () => {
  assert.equal(freeCount(failing(failureCount - 1), 0), inFlightCount);
  const open = failing(failureCount);
  assert.equal(freeCount(open, firstOpenMs - 1), 0);
  assert.equal(freeCount(open, firstOpenMs), 1);
  assert.equal(freeCount(begun(open), firstOpenMs), 0);
  const longer = ended(begun(open), true, null, firstOpenMs);
  assert.equal(freeCount(longer, firstOpenMs * 3 - 1), 0);
  assert.equal(freeCount(longer, firstOpenMs * 3), 1);
  const healed = ended(begun(longer), false, null, firstOpenMs * 3);
  assert.deepEqual(healed, newEndpoint);
});

test("a success between failures starts the count anew, and a pause that the receiver asks for is kept", () => {
  const mixed = ended(begun(failing(failureCount - 1)), false, null, 0);
  assert.equal(mixed.openUntilMs, null);
  assert.equal(mixed.failureCount, 0);
  const throttled = ended(begun(newEndpoint), true, 60_000, 0);
  assert.equal(freeCount(throttled, 59_999), 0);
  assert.equal(freeCount(throttled, 60_000), 1);
});

test("a receiver is forgotten some time after its last failure, however few there were", () => {
  for (const count of [1, failureCount - 1]) {
    assert.equal(isForgettable(failing(count), mostOpenMs), false);
    assert.equal(isForgettable(failing(count), mostOpenMs + 1), true);
  }
  assert.equal(isForgettable(failing(failureCount), firstOpenMs + mostOpenMs), false);
});

test("in every order of events calls stay within the bound, no pause is longer than the most, and none lasts", () => {
  const event = fc.record({
    kind: fc.constantFrom("begin", "fail", "succeed"),
    afterMs: fc.integer({ min: 0, max: 60_000 }),
    pauseMs: fc.option(fc.integer({ min: 0, max: 10_000_000 })),
  });
  fc.assert(
    fc.property(fc.array(event, { maxLength: 200 }), (events) => {
      let [endpoint, nowMs] = [newEndpoint, 1];
      for (const { kind, afterMs, pauseMs } of events) {
        nowMs += afterMs;
        if (kind === "begin" && freeCount(endpoint, nowMs) > 0) endpoint = begun(endpoint);
        if (kind !== "begin" && endpoint.inFlightCount > 0)
          endpoint = ended(endpoint, kind === "fail", pauseMs, nowMs);
        assert.ok(endpoint.inFlightCount >= 0 && endpoint.inFlightCount <= inFlightCount);
        assert.ok((endpoint.openUntilMs ?? 0) <= nowMs + mostOpenMs);
        if (endpoint.inFlightCount === 0) assert.ok(freeCount(endpoint, nowMs + mostOpenMs) > 0);
        assert.ok(isForgettable({ ...endpoint, inFlightCount: 0 }, nowMs + 3 * mostOpenMs));
      }
    }),
  );
});
