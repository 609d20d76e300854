import assert from "node:assert/strict";
import { test } from "node:test";
import { retryAfterMs } from "./retry-after.ts";

test("Retry-After is read as seconds or as a date, and as nothing where it is neither", () => {
  const nowMs = Date.UTC(2026, 0, 1);
  assert.equal(retryAfterMs("120", nowMs), 120_000);
  assert.equal(retryAfterMs("Thu, 01 Jan 2026 00:01:00 GMT", nowMs), 60_000);
  assert.equal(retryAfterMs("Thu, 01 Jan 2015 00:01:00 GMT", nowMs), 0);
  for (const nothing of [null, "", "soon", "-1", "1.5"])
    assert.equal(retryAfterMs(nothing, nowMs), null, nothing ?? "");
});
