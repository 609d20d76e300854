// A strategy that breaks its port ends its own group with an error; its neighbours go on and nothing leaks.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Outcome } from "../scheduler/outcome.ts";
import { createFakeModel } from "../testing/fake-model.ts";
import { createStepHarness } from "../testing/step-harness.ts";

const broken: readonly [string, readonly Outcome[], RegExp][] = [
  ["nothing to compute", [], /nothing to compute/],
  ["an unknown sequence", [{ kind: "append", sequence: 7, tokens: [1] }], /no sequence 7/],
  ["a fork too many", [{ kind: "fork", source: 0, target: 1 }], /all are in use/],
  ["a fork onto itself", [{ kind: "fork", source: 0, target: 0 }], /exists already/],
  ["a rollback into the future", [{ kind: "rollback", sequence: 0, to: 9 }], /not a known position/],
  [
    "a row that goes on after its end",
    [
      { kind: "finish", row: 0, reason: "stop" },
      { kind: "emit", row: 0, tokens: [1] },
    ],
    /finished already/,
  ],
  [
    "more rows than a step has",
    [{ kind: "append", sequence: 0, tokens: Array.from({ length: 9 }, () => 1) }],
    /9 rows/,
  ],
];

for (const [name, outcomes, message] of broken) {
  test(`${name} ends the group with engine_misuse`, async () => {
    const model = createFakeModel({ maxBatchTokenCount: 8 });
    const harness = createStepHarness(model);
    harness.add({ id: "broken", contexts: [[1, 2]] }, { choose: () => ({ kind: "advance", outcomes }) });
    await harness.runUntilIdle();
    const last = harness.events.at(-1);
    assert.ok(last?.kind === "ended" && last.end.kind === "failed");
    assert.equal(last.end.code, "engine_misuse");
    assert.match(last.end.detail, message);
    assert.equal(model.usedCellCount, 0);
  });
}
