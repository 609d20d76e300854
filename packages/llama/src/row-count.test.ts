import assert from "node:assert/strict";
import { test } from "node:test";

import { maxRowCountOf } from "./row-count.ts";

test("rows of logits take 32 MiB at most, unless there are more slots, and are no more than tokens", () => {
  const widest = { vocabSize: 128_256 };
  assert.equal(maxRowCountOf(widest, { slotCount: 8, maxBatchTokenCount: 512 }), 65);
  assert.equal(maxRowCountOf(widest, { slotCount: 256, maxBatchTokenCount: 512 }), 256);
  assert.equal(maxRowCountOf({ vocabSize: 512 }, { slotCount: 8, maxBatchTokenCount: 64 }), 64);
});
