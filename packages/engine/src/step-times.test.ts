import assert from "node:assert/strict";
import { test } from "node:test";
import { createStepTimes } from "./step-times.ts";
import { createFakeClock } from "./testing/fake-clock.ts";

test("time is the model's while it is awaited, the host's after it, and nobody's while there is no work", async () => {
  const clock = createFakeClock();
  const times = createStepTimes(clock);
  const after = async (ms: number) => {
    await Promise.resolve();
    clock.advance(ms);
  };
  clock.advance(7);
  await times.idling(after(1_000));
  clock.advance(1);
  await times.decoding(after(50));
  clock.advance(2);
  await times.decoding(after(60));
  clock.advance(3);
  await times.idling(after(1_000));
  assert.deepEqual(times.read(), { decodeMs: 110, hostMs: 6 });
});

test("a decode that fails has taken its time, and its error goes on", async () => {
  const clock = createFakeClock();
  const times = createStepTimes(clock);
  const failing = Promise.resolve().then(() => {
    clock.advance(4);
    throw new RangeError("no");
  });
  await assert.rejects(times.decoding(failing), RangeError);
  assert.deepEqual(times.read(), { decodeMs: 4, hostMs: 0 });
});
