import assert from "node:assert/strict";
import { before, test } from "node:test";
import type { Key, RotatedKey } from "@corral/contract";
import { createKeyUse } from "../gateway/key-use.ts";
import { startTestPlatform, type TestPlatform } from "../testing/start-test-platform.ts";

let platform: TestPlatform;
before(async () => {
  platform = await startTestPlatform();
});

const idOf = (key: string) => key.split("_")[1] ?? "";
const status = async (key: string) =>
  (await platform.request("/api/v1/models", { headers: { authorization: key } })).status;
const send = (method: string, path: string, body: unknown, key = platform.adminKey) =>
  platform.request(`/api/v1/keys/${path}`, {
    method,
    headers: { "content-type": "application/json", authorization: key },
    body: JSON.stringify(body),
  });
async function patch(key: string, body: unknown, by?: string): Promise<Key> {
  const response = await send("PATCH", idOf(key), body, by);
  assert.equal(response.status, 200, await response.clone().text());
  return (await response.json()) as Key;
}

test("scopes are taken in other words and shown in their own", async () => {
  const response = await platform.post("/api/v1/keys", {
    name: "words",
    scopes: ["invoke", "deploy", "predict"],
  });
  assert.equal(response.status, 201);
  const { key } = (await response.json()) as { key: string };
  assert.deepEqual((await patch(key, {})).scopes, ["predict", "push_config"]);
  assert.deepEqual((await patch(key, { scopes: ["manage"] })).scopes, ["admin"]);
});

test("a change of a key counts from the next call on, and what it does not name stays", async () => {
  const key = await platform.key({ scopes: ["predict"], weight: 3, token_cap: 50 });
  assert.equal(await status(key), 403);
  const changed = await patch(key, { name: "reader", scopes: ["read"], token_cap: null });
  assert.deepEqual(
    [changed.name, changed.scopes, changed.token_cap, changed.weight],
    ["reader", ["read"], null, 3],
  );
  assert.equal(await status(key), 200);
  const end = new Date(Date.now() + 300).toISOString();
  assert.equal((await patch(key, { expires_at: end })).expires_at, end);
  await new Promise((resolve) => setTimeout(resolve, 350));
  assert.equal(await status(key), 401);
  // One that has ended is changed as any other, and may begin again.
  assert.equal((await patch(key, { name: "again" })).expires_at, end);
  assert.equal((await patch(key, { expires_at: null })).expires_at, null);
  assert.equal(await status(key), 200);
  for (const body of [
    { expires_at: "2020-01-01T00:00:00Z" },
    { weight: 101 },
    { scopes: [] },
    { models: [] },
    { colour: 1 },
  ])
    assert.equal((await send("PATCH", idOf(key), body)).status, 422, JSON.stringify(body));
});

test("an admin of some models gives no key more than it has, nor takes the secret of one that has more", async () => {
  const narrow = await platform.key({ scopes: ["admin"], models: ["mine"], token_cap: 10 });
  const own = await platform.key({ models: ["mine"], scopes: ["predict"] });
  for (const body of [{ models: null }, { models: ["mine", "other"] }, { token_cap: 11 }])
    assert.equal((await send("PATCH", idOf(own), body, narrow)).status, 422, JSON.stringify(body));
  assert.equal((await patch(own, { name: "renamed" }, narrow)).name, "renamed");
  // It has no token cap, which the admin has.
  assert.equal((await send("POST", `${idOf(own)}/rotate`, {}, narrow)).status, 403);
  await patch(own, { token_cap: 10 }, narrow);
  assert.equal((await send("POST", `${idOf(own)}/rotate`, {}, narrow)).status, 200);
  const wide = await platform.key({ scopes: ["predict"] });
  for (const [method, path] of [
    ["PATCH", idOf(wide)],
    ["POST", `${idOf(wide)}/rotate`],
  ] as const)
    assert.equal((await send(method, path, {}, narrow)).status, 404);
});

test("a rotated key is good with both secrets for the overlap, and with the new one after it", async () => {
  const key = await platform.key({ scopes: ["read"] });
  const rotated = await send("POST", `${idOf(key)}/rotate`, { overlap_seconds: 60 });
  const { key: second, id, previous_valid_until: until } = (await rotated.json()) as RotatedKey;
  assert.equal(id, idOf(key));
  assert.notEqual(second, key);
  assert.ok(Math.abs(new Date(until).getTime() - Date.now() - 60_000) < 30_000);
  assert.deepEqual([await status(key), await status(second)], [200, 200]);
  assert.equal((await patch(key, {})).previous_valid_until, until);
  const { key: third } = (await (
    await send("POST", `${id}/rotate`, { overlap_seconds: 0 })
  ).json()) as RotatedKey;
  assert.deepEqual([await status(key), await status(second), await status(third)], [401, 401, 200]);
  assert.equal((await send("POST", `${id}/rotate`, { overlap_seconds: 2_592_001 })).status, 422);
  await platform.request(`/api/v1/keys/${id}`, { method: "DELETE" });
  assert.equal((await send("POST", `${id}/rotate`, {})).status, 409);
  assert.equal((await send("PATCH", id, { name: "x" })).status, 409);
});

test("the secret before a rotation ends with its key, too", async () => {
  const key = await platform.key({ scopes: ["read"] });
  await send("POST", `${idOf(key)}/rotate`, { overlap_seconds: 600 });
  assert.equal(await status(key), 200);
  await platform.request(`/api/v1/keys/${idOf(key)}`, { method: "DELETE" });
  assert.equal(await status(key), 401);
});

test("a key's last use is written once a minute, however often it is used", async () => {
  const { db } = platform.store;
  const id = idOf(await platform.key({}));
  let nowMs = Date.parse("2030-01-01T00:00:00Z");
  const use = createKeyUse({ db, now: () => new Date(nowMs), log: { warn: () => {} } });
  const shown = async () => (await patch(`corral_${id}_`, {})).last_used_at;
  assert.equal(await shown(), null);
  use.note(id);
  await use.close();
  assert.equal(await shown(), "2030-01-01T00:00:00.000Z");
  nowMs += 59_000;
  use.note(id);
  await use.close();
  assert.equal(await shown(), "2030-01-01T00:00:00.000Z");
  nowMs += 1_000;
  use.note(id);
  await use.close();
  assert.equal(await shown(), "2030-01-01T00:01:00.000Z");
});

test("Baseten's list has a key's models by their ids, and when it was used", async () => {
  const { model_id } = await platform.deploy("listed");
  const made = await platform.post("/v1/api_keys", { type: "WORKSPACE_INVOKE", model_ids: [model_id] });
  const { api_key } = (await made.json()) as { api_key: string };
  const { keys } = (await (await platform.request("/v1/api_keys")).json()) as {
    keys: Record<string, unknown>[];
  };
  const own = keys.find(({ prefix }) => api_key.startsWith(`${String(prefix)}_`));
  assert.deepEqual(
    [own?.["model_ids"], own?.["last_used_at"], own?.["team_name"]],
    [[model_id], null, "default"],
  );
});

test("the server ends", async () => {
  await platform[Symbol.asyncDispose]();
});
