import assert from "node:assert/strict";
import { test } from "node:test";
import { createFakeModel } from "@corral/engine/testing";
import { warmUp } from "./warm-up.ts";

test("a warm-up computes a prompt and a token, and leaves every cell free", async () => {
  using model = createFakeModel({ maxBatchTokenCount: 512, contextLength: 512 });
  await warmUp(model);
  assert.deepEqual(
    model.plans.map(({ tokenCount }) => tokenCount),
    [128, 1],
  );
  assert.equal(model.usedCellCount, 0);
});

test("it stays within small contexts and steps", async () => {
  for (const [limits, expected] of [
    [{ maxBatchTokenCount: 16 }, [16, 1]],
    [{ contextLength: 9 }, [8, 1]],
    [{ contextLength: 1 }, []],
  ] as const) {
    using model = createFakeModel(limits);
    await warmUp(model);
    assert.deepEqual(
      model.plans.map(({ tokenCount }) => tokenCount),
      expected,
    );
  }
});
