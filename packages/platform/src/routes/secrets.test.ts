import assert from "node:assert/strict";
import { before, test } from "node:test";
import { sql } from "kysely";
import { createReadSecrets } from "../secrets/declared.ts";
import { sealingKeyFile } from "../secrets/keys.ts";
import { openLiveSealing } from "../secrets/live-sealing.ts";
import { startTestPlatform, type TestPlatform } from "../testing/start-test-platform.ts";

let platform: TestPlatform;
before(async () => {
  platform = await startTestPlatform();
});

const value = "very-secret-value-42";
const put = (name: string, body: unknown, headers: Record<string, string> = {}) =>
  platform.request(`/api/v1/secrets/${name}`, {
    method: "PUT",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(body),
  });
const remove = (path: string, headers: Record<string, string> = {}) =>
  platform.request(path, { method: "DELETE", headers });
const names = async () =>
  ((await (await platform.request("/api/v1/secrets")).json()) as { items: { name: string }[] }).items.map(
    ({ name }) => name,
  );

test("a secret is set, listed by name, changed and removed, and its value is never shown", async () => {
  const made = await put("api_token", { value });
  assert.equal(made.status, 200);
  const text = await made.text();
  assert.match(text, /"name":"api_token"/);
  assert.ok(!text.includes(value));
  assert.equal((await put("api_token", { value: "another" })).status, 200);
  const list = await (await platform.request("/api/v1/secrets")).text();
  assert.match(list, /"items":\[\{"name":"api_token"/);
  assert.ok(!list.includes("another"));
  assert.equal((await remove("/api/v1/secrets/api_token")).status, 200);
  assert.deepEqual(await names(), []);
  assert.equal((await remove("/api/v1/secrets/api_token")).status, 404);
});

test("what is no secret is refused by field, and the message does not repeat the value", async () => {
  for (const [name, body] of [
    ["a%20b", { value }],
    ["..%2f", { value }],
    ["x", { value: "" }],
    ["x", { value: 7 }],
    ["x", { value: "\ud800" }],
    ["x", { value: "a".repeat(65_537) }],
    ["x", { value, colour: 1 }],
    ["x", {}],
  ] as const) {
    const response = await put(name, body);
    const text = await response.text();
    assert.equal(response.status, 422, `${name} ${text.slice(0, 200)}`);
    assert.ok(!text.includes(value) && text.length < 1_000);
  }
});

test("Baseten's calls make, list and remove the same secrets", async () => {
  const made = await platform.post("/v1/secrets", { name: "hf_access_token", value });
  assert.equal(made.status, 200);
  const { id, ...rest } = (await made.json()) as Record<string, string>;
  assert.match(id ?? "", /^[0-9a-f]{16}$/);
  assert.deepEqual(Object.keys(rest).toSorted(), ["created_at", "name", "team_name"]);
  const again = (await (
    await platform.post("/v1/secrets", { name: "hf_access_token", value: "new" })
  ).json()) as {
    id: string;
  };
  assert.equal(again.id, id);
  const { secrets } = (await (await platform.request("/v1/secrets")).json()) as { secrets: object[] };
  assert.deepEqual(secrets, [{ id, ...rest }]);
  assert.deepEqual(await names(), ["hf_access_token"]);
  assert.deepEqual(await (await remove("/v1/secrets/hf_access_token")).json(), { name: "hf_access_token" });
  assert.equal((await remove("/v1/secrets/hf_access_token")).status, 404);
});

test("a key that is limited to some models neither sees nor changes secrets", async () => {
  const authorization = await platform.key({ scopes: ["admin"], models: ["mine"] });
  for (const response of [
    await put("x", { value }, { authorization }),
    await remove("/api/v1/secrets/x", { authorization }),
    await platform.request("/api/v1/secrets", { headers: { authorization } }),
    await platform.request("/v1/secrets", { headers: { authorization } }),
    await platform.post("/v1/secrets", { name: "x", value }, { authorization }),
    await platform.post("/api/v1/secret-key/rotate", {}, { authorization }),
  ])
    assert.equal(response.status, 403);
});

test("the database holds no value that can be read, nor one that opens in another row", async () => {
  await put("one", { value });
  await put("two", { value: "2" });
  const { db } = platform.store;
  const { rows } = await sql<{ row: string }>`select secrets::text as row from secrets`.execute(db);
  const text = rows.map(({ row }) => row).join();
  assert.ok(!text.includes(value) && !text.includes(Buffer.from(value).toString("hex")));
  await sql`update secrets set sealed = (select sealed from secrets where name = 'one') where name = 'two'`.execute(
    db,
  );
  const sealing = await openLiveSealing({
    given: [Buffer.alloc(32, 9)],
    file: sealingKeyFile(platform.home),
  });
  const read = createReadSecrets(db, sealing);
  const truss = { secrets: { one: null, absent: null }, modelCache: [], weights: [] } as never;
  assert.deepEqual(await read("default", { truss }), { one: value });
  assert.deepEqual(await read("other", { truss }), {});
  const moved = { secrets: { two: null }, modelCache: [], weights: [] } as never;
  await assert.rejects(read("default", { truss: moved }), /secrets\/[0-9a-f]{16} cannot be opened/);
});

test("a fresh key seals every value anew, and says which it could not open", async () => {
  const { db } = platform.store;
  await put("one", { value });
  const file = sealingKeyFile(platform.home);
  // Values of the test platform's key, as if that were the file's.
  await file.write([Buffer.alloc(32, 9)]);
  const sealing = await openLiveSealing({ given: null, file });
  const before = sealing.keyId;
  const done = await sealing.rotate(db);
  assert.notEqual(done.keyId, before);
  // `two` holds what was sealed for `one`.
  assert.deepEqual([done.resealedCount, done.unreadableCount], [1, 1]);
  assert.equal((await file.read()).length, 1);
  const later = await openLiveSealing({ given: null, file });
  const truss = { secrets: { one: null }, modelCache: [], weights: [] } as never;
  assert.deepEqual(await createReadSecrets(db, later)("default", { truss }), { one: value });
  assert.deepEqual(await sealing.missingKeys(db), []);
  const stranger = await openLiveSealing({ given: [Buffer.alloc(32, 1)], file });
  assert.deepEqual(await stranger.missingKeys(db), [before, done.keyId].toSorted());
});

test("no table and no log holds a secret or a key that can be read", async () => {
  const { db } = platform.store;
  const text = "grep-for-this-1234567890";
  await put("grepped", { value: text });
  await platform.post("/v1/secrets", { name: "grepped", value: text, colour: text });
  await put("grepped", { value: text, colour: 1 });
  const key = await platform.key({ scopes: ["predict"] });
  await platform.deploy("grep-model");
  await (await platform.post("/grep-model/predict", {}, { authorization: key })).text();
  await platform.request("/api/v1/models", { headers: { authorization: `${key}x` } });
  const { rows: tables } = await sql<{
    name: string;
  }>`select table_name as name from information_schema.tables where table_schema = current_schema()`.execute(
    db,
  );
  assert.ok(tables.length > 10);
  let dump = platform.logLines.join();
  for (const { name } of tables) {
    const { rows } = await sql<{ row: string }>`select t::text as row from ${sql.table(name)} t`.execute(db);
    dump += rows.map(({ row }) => row).join();
  }
  for (const wanted of [text, key.split("_")[2] ?? "", platform.adminKey.split("_")[2] ?? ""])
    for (const form of ["utf8", "base64", "hex"] as const)
      assert.ok(!dump.includes(Buffer.from(wanted).toString(form)), `${wanted} as ${form}`);
});

test("the server ends", async () => {
  await platform[Symbol.asyncDispose]();
});
