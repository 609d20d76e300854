import assert from "node:assert/strict";
import { after, test } from "node:test";
import { createKeySchema } from "@corral/contract";
import { createKey, hashKey, revokeKey, rotateKey } from "../store/keys.ts";
import { getOrCreateProject } from "../store/projects.ts";
import { openTestStore } from "../store/testing.ts";
import { insertModel } from "../testing/insert-model.ts";
import { createCallLookups } from "./call-lookups.ts";

const store = await openTestStore();
after(() => store[Symbol.asyncDispose]());
const { db } = store;
const lookups = createCallLookups(store);
const find = (key: string) => lookups.findKey(hashKey(key).toString("hex"));
const wanted = (fields: object) => createKeySchema.parse({ name: "n", scopes: ["predict"], ...fields });

test("a key is found with all that its calls are judged by", async () => {
  const expires_at = "2030-01-02T03:04:05.678Z";
  const { row, key } = await createKey(
    db,
    "default",
    wanted({ expires_at, models: ["a"], token_cap: 7, weight: 3 }),
  );
  assert.deepEqual(await find(key), {
    id: row.id,
    projectId: "default",
    scopes: ["predict"],
    models: ["a"],
    tokenCap: 7,
    weight: 3,
    hasBudget: false,
    expiresAt: new Date(expires_at),
    revokedAt: null,
  });
  assert.equal(await find("corral_none"), null);
  const revokedAt = new Date("2026-11-21T00:00:00.123Z");
  await revokeKey(db, "default", row.id, revokedAt);
  assert.deepEqual((await find(key))?.revokedAt, revokedAt);
});

test("a rotated key's old secret ends when its time is over, or with the key where that is sooner", async () => {
  const expires = new Date("2030-01-01T00:00:00Z");
  for (const [overlapUntil, expected] of [
    [new Date("2029-01-01T00:00:00Z"), new Date("2029-01-01T00:00:00Z")],
    [new Date("2031-01-01T00:00:00Z"), expires],
  ] as const) {
    const made = await createKey(db, "default", wanted({ expires_at: expires.toISOString() }));
    const rotated = await rotateKey(db, "default", { id: made.row.id, overlapUntil });
    assert.ok(rotated !== null);
    assert.deepEqual((await find(made.key))?.expiresAt, expected);
    assert.deepEqual((await find(rotated.key))?.expiresAt, expires);
  }
});

test("a project's deployments are listed as they are now, and those of another project are not", async () => {
  const other = await getOrCreateProject(db, "elsewhere", "elsewhere");
  const { deployment, model } = await insertModel(db, "talker");
  const [own, theirs] = await Promise.all([
    lookups.listAddressed("default"),
    lookups.listAddressed(other.id),
  ]);
  assert.deepEqual(theirs, []);
  const listed = own.find(({ id }) => id === deployment.id);
  assert.equal(listed?.modelName, "talker");
  assert.equal(listed.modelId, model.id);
  assert.equal(listed.storesRuns, true);
  assert.equal(listed.deployedAtMs, deployment.deployed_at.getTime());
});

test("keys and projects that are asked for together are one query", async () => {
  const { key } = await createKey(db, "default", wanted({}));
  let queryCount = 0;
  const counted = createCallLookups({
    db,
    pool: new Proxy(store.pool, {
      get(pool, name) {
        if (name === "query") queryCount += 1;
        const value: unknown = Reflect.get(pool, name, pool);
        return typeof value === "function" ? value.bind(pool) : value;
      },
    }),
  });
  const [found, none, listed] = await Promise.all([
    counted.findKey(hashKey(key).toString("hex")),
    counted.findKey(hashKey("corral_none").toString("hex")),
    counted.listAddressed("default"),
  ]);
  assert.equal(found?.projectId, "default");
  assert.equal(none, null);
  assert.ok(listed.length > 0);
  assert.equal(queryCount, 1);
});
