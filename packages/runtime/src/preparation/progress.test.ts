import assert from "node:assert/strict";
import { test } from "node:test";
import type { PreparationMessage } from "@corral/contract";
import { createStageProgress } from "./progress.ts";

function stage() {
  let nowMs = 0;
  const sent: Extract<PreparationMessage, { kind: "progress" }>["progress"][] = [];
  const report = createStageProgress(
    "quantizing",
    (message) => message.kind === "progress" && sent.push(message.progress),
    () => nowMs,
  );
  const advance = (ms: number) => void (nowMs += ms);
  return { sent, report, advance };
}

test("progress is told at most five times a second, and the end at once", () => {
  const { sent, report, advance } = stage();
  for (let done = 0; done < 1_000; done += 1) {
    report(done, 1_000);
    advance(10);
  }
  report(1_000, 1_000);
  report(1_000, 1_000);
  assert.equal(sent.length, 51);
  assert.equal(sent.at(-1)?.done_bytes, 1_000);
});

test("progress never falls, whatever it is told", () => {
  const { sent, report, advance } = stage();
  for (const done of [5, 3, 9, 2, 9, 12]) {
    report(done, 20);
    advance(300);
  }
  const told = sent.map(({ done_bytes }) => done_bytes);
  assert.deepEqual(
    told,
    told.toSorted((one, other) => one - other),
  );
});

test("the rate is that of the last seconds, and the rest takes as long as it says", () => {
  const { sent, report, advance } = stage();
  let done = 0;
  for (let second = 0; second < 20; second += 1) {
    report(done, 10_000);
    done += second < 10 ? 10 : 100;
    advance(1_000);
  }
  const last = sent.at(-1);
  assert.equal(last?.bytes_per_second, 100);
  assert.equal(last.eta_seconds, (10_000 - last.done_bytes) / 100);
});

test("a rate and a rest that somebody else measured are passed on", () => {
  const { sent, report } = stage();
  report(1, 2, { bytes_per_second: 7, eta_seconds: 8 });
  assert.deepEqual(sent, [{ done_bytes: 1, total_bytes: 2, bytes_per_second: 7, eta_seconds: 8 }]);
});
