import assert from "node:assert/strict";
import { test } from "node:test";
import { KeyLimits } from "./key-limits.ts";

test("a key's running calls count together, and what is released can be taken again", () => {
  const limits = new KeyLimits();
  const release = limits.claim({ holder: "key", tokenCount: 60, cap: 100 });
  assert.throws(() => limits.claim({ holder: "key", tokenCount: 41, cap: 100 }), {
    code: "key_limit_exceeded",
    retryAfterSeconds: 1,
  });
  limits.claim({ holder: "key", tokenCount: 40, cap: 100 });
  release();
  release();
  assert.equal(limits.held("key"), 40);
  limits.claim({ holder: "key", tokenCount: 60, cap: 100 });
});

test("a call that is over the cap alone is refused with both numbers", () => {
  assert.throws(
    () => new KeyLimits().claim({ holder: "key", tokenCount: 101, cap: 100 }),
    (error: Error & { code: string }) => {
      assert.equal(error.code, "invalid_parameter");
      assert.match(error.message, /101.*100/);
      return true;
    },
  );
});

test("other keys and keys without a cap are not held up", () => {
  const limits = new KeyLimits();
  limits.claim({ holder: "a", tokenCount: 100, cap: 100 });
  limits.claim({ holder: "b", tokenCount: 100, cap: 100 });
  limits.claim({ holder: "c", tokenCount: 1e9, cap: null });
});
