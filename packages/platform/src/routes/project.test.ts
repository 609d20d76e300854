import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { before, test } from "node:test";
import { forwardedHeaders, storedIfAsked, type Project, type Run } from "@corral/contract";
import { headersForReplica, readRunWishes } from "../gateway/predict-call.ts";
import { startTestPlatform, type TestPlatform } from "../testing/start-test-platform.ts";

let platform: TestPlatform;
before(async () => {
  platform = await startTestPlatform();
  await platform.deploy("kept");
});

const path = "/api/v1/deployments/kept/generate";
const patch = (body: unknown, key = platform.adminKey) =>
  platform.request("/api/v1/project", {
    method: "PATCH",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
    body: JSON.stringify(body),
  });

async function runOf(headers: Record<string, string> = {}): Promise<Run> {
  const answer = await platform.post(path, { prompt: "a" }, headers);
  assert.equal(answer.status, 200);
  await answer.text();
  const found = await platform.request(`/runs/${answer.headers.get("x-corral-run-id")}`);
  return (await found.json()) as Run;
}

test("a project that keeps no outputs keeps those of calls that ask for it, from the next call on", async () => {
  assert.deepEqual([(await runOf()).stored, (await runOf()).output], [true, "done"]);
  const changed = (await (await patch({ store: false })).json()) as Project;
  assert.equal(changed.store, false);
  assert.deepEqual(await (await platform.request("/api/v1/project")).json(), changed);
  const run = await runOf();
  assert.deepEqual([run.stored, run.output, (run.usage?.prompt_tokens ?? 0) > 0], [false, null, true]);
  const asked = await runOf({ "x-corral-store": "true" });
  assert.deepEqual([asked.stored, asked.output], [true, "done"]);
  assert.equal((await runOf({ "x-corral-store": "false" })).stored, false);
});

test("what needs the output is refused there, with what to send, and carried out where the call asks for it", async () => {
  for (const headers of [{ prefer: "respond-async" }, { "idempotency-key": randomUUID() }]) {
    const refused = await platform.post(path, { prompt: "a" }, headers);
    assert.equal(refused.status, 422);
    assert.match(await refused.text(), /the project keeps no outputs; send x-corral-store: true/);
    const asked = { ...headers, "x-corral-store": "true" } as Record<string, string>;
    assert.ok((await platform.post(path, { prompt: "a" }, asked)).ok);
  }
});

test("a replica hears whether the body may ask for more", () => {
  const told = (headers: Record<string, string>, storesRuns: boolean) =>
    headersForReplica(headers, {
      runId: "r",
      dialect: "openai_chat",
      target: { modelId: "m", deploymentId: "d" },
      principal: { projectId: "p", keyId: null, tokenCap: null, weight: 1, hasBudget: false },
      token: null,
      nowMs: 0,
      loadMs: 0,
      isOwnRequest: false,
      isBare: false,
      depth: 0,
      ...readRunWishes(headers, { storesRuns }),
    } as never)[forwardedHeaders.store];
  assert.equal(told({}, true), undefined);
  assert.equal(told({}, false), storedIfAsked);
  assert.equal(told({ "x-corral-store": "false" }, true), "0");
  assert.equal(told({ "x-corral-store": "true" }, false), undefined);
});

test("only an admin of the whole project sets it, and by its name", async () => {
  assert.equal((await patch({ stores: true })).status, 422);
  assert.equal((await patch({})).status, 422);
  assert.equal((await patch({ store: true }, await platform.key({ scopes: ["read"] }))).status, 403);
  assert.equal((await patch({ store: true }, await platform.key({ models: ["kept"] }))).status, 403);
});

test("the platform ends", async () => {
  await platform[Symbol.asyncDispose]();
});
