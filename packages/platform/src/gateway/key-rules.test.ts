import assert from "node:assert/strict";
import { test } from "node:test";
import { createKeySchema } from "@corral/contract";
import type { Principal } from "./authenticate.ts";
import { excessOf, mayManage } from "./key-rules.ts";

const admin: Principal = {
  keyId: "k",
  projectId: "default",
  scopes: ["admin"],
  models: null,
  tokenCap: null,
  weight: 1,
  hasBudget: false,
  expiresAt: null,
};
const now = new Date("2026-11-21T00:00:00Z");
const wanted = (fields: object) => createKeySchema.parse({ name: "n", ...fields });
const pointers = (maker: Principal, fields: object) =>
  excessOf(maker, wanted(fields), now).map(({ pointer }) => pointer);

test("an admin may grant every scope", () => {
  assert.deepEqual(pointers(admin, { scopes: ["admin", "push_code", "predict"] }), []);
});

test("a key grants no scope, model or cap beyond its own", () => {
  const limited: Principal = { ...admin, scopes: ["predict"], models: ["a"], tokenCap: 10 };
  assert.deepEqual(pointers(limited, { scopes: ["read"] }), ["/scopes", "/models", "/token_cap"]);
  assert.deepEqual(pointers(limited, { scopes: ["predict"], models: ["a", "b"], token_cap: 11 }), [
    "/models",
    "/token_cap",
  ]);
  assert.deepEqual(pointers(limited, { scopes: ["predict"], models: ["a"], token_cap: 10 }), []);
});

test("a key outlives neither its maker nor becomes one that never ends", () => {
  const maker: Principal = { ...admin, expiresAt: new Date("2026-11-22T00:00:00Z") };
  assert.deepEqual(pointers(maker, {}), ["/expires_at"]);
  assert.deepEqual(pointers(maker, { expires_at: "2026-11-22T00:00:01Z" }), ["/expires_at"]);
  assert.deepEqual(pointers(maker, { expires_at: "2026-11-22T00:00:00Z" }), []);
});

test("an admin of some models manages the keys of those models alone", () => {
  const limited: Principal = { ...admin, models: ["a", "b"] };
  assert.ok(mayManage(limited, { models: ["a"] }));
  assert.ok(!mayManage(limited, { models: ["a", "c"] }));
  assert.ok(!mayManage(limited, { models: null }));
  assert.ok(mayManage(admin, { models: null }));
});

test("a key that has expired before it is made is refused", () => {
  assert.deepEqual(pointers(admin, { expires_at: "2026-11-20T00:00:00Z" }), ["/expires_at"]);
});
