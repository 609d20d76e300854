// Baseten's newer addresses, before a replica that shows what it was asked.

import assert from "node:assert/strict";
import { before, test } from "node:test";
import { startTestPlatform, type TestPlatform } from "../testing/start-test-platform.ts";

let platform: TestPlatform;

before(async () => {
  platform = await startTestPlatform();
  await platform.deploy("fake");
  await platform.deploy("other");
});

const seenBy = (response: Response) =>
  JSON.parse(response.headers.get("x-seen") ?? "{}") as Record<string, string>;

const addresses = ["production", "environments/production", "deployment/fake"];

test("predict by environment and deployment asks for the model's own answer, and names the run twice", async () => {
  for (const address of addresses) {
    const response = await platform.post(`/model/fake/${address}/predict?a=b`, { echo: 1 });
    assert.equal(response.status, 200, address);
    assert.equal(response.headers.get("x-asked"), "POST /predict?a=b");
    assert.equal(seenBy(response)["x-corral-bare"], "1");
    assert.equal(response.headers.get("x-baseten-request-id"), response.headers.get("x-corral-run-id"));
    assert.equal(await response.text(), '{"echo":1}');
  }
});

test("below sync every method and path reaches the model's server as it was spelled", async () => {
  for (const address of addresses) {
    const base = `/model/fake/${address}/sync`;
    const ready = await platform.request(`${base}/v1/models/model?x=%2F`);
    assert.equal(ready.headers.get("x-asked"), "GET /sync/v1/models/model?x=%2F");
    assert.equal(ready.headers.get("x-corral-run-id"), null, "a look at its health is no run");
    const chat = await platform.post(`${base}/v1/chat/completions`, { echo: 1 }, { "x-mine": "yes" });
    assert.equal(chat.headers.get("x-asked"), "POST /sync/v1/chat/completions");
    assert.equal(seenBy(chat)["x-mine"], "yes");
    assert.ok(chat.headers.get("x-corral-run-id"));
    const removed = await platform.request(`${base}/files/a%20b`, { method: "DELETE" });
    assert.equal(removed.headers.get("x-asked"), "DELETE /sync/files/a%20b");
    assert.equal((await platform.request(`${base}/`, { method: "HEAD" })).status, 200);
  }
});

test("bodies of any type pass byte for byte with their type", async () => {
  const bytes = new Uint8Array([0x81, 0xa1, 0x61, 0xff]);
  for (const path of [
    "/model/fake/production/predict",
    "/model/fake/production/sync/v1/models/model:predict",
  ]) {
    for (const type of ["application/octet-stream", "multipart/form-data; boundary=x", "text/plain"]) {
      const response = await platform.request(path, {
        method: "POST",
        body: bytes,
        headers: { "content-type": type },
      });
      assert.equal(seenBy(response)["content-type"], type, path);
      assert.deepEqual(new Uint8Array(await response.arrayBuffer()), bytes);
    }
  }
});

test("other models' deployments, unknown environments and missing keys are refused in Baseten's form", async () => {
  const refusal = async (path: string, headers = {}) => {
    const response = await platform.request(path, { method: "POST", body: "{}", headers });
    return [response.status, ((await response.json()) as { error: string }).error] as const;
  };
  assert.match((await refusal("/model/fake/deployment/other/predict"))[1], /no deployment of model "fake"/);
  assert.match((await refusal("/model/fake/environments/staging/sync/"))[1], /no environment "staging"/);
  assert.match((await refusal("/model/fake/development/predict"))[1], /no development deployment/);
  assert.equal((await refusal("/model/none/production/predict"))[0], 404);
  assert.equal((await refusal("/model/fake/production/sync/ping", { authorization: "" }))[0], 401);
});

// The last test: the database of `store/testing.ts` ends before any hook of this file.
test("all of it ends", async () => {
  await platform[Symbol.asyncDispose]();
});
