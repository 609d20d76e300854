import assert from "node:assert/strict";
import { before, test } from "node:test";
import type { Delivery } from "@corral/contract";
import OpenAI from "openai";
import { startTestPlatform, type TestPlatform } from "../testing/start-test-platform.ts";
import { until } from "../testing/until.ts";
import { insertTestRun } from "../webhook/testing/insert-run.ts";
import { startReceiver, type Receiver } from "../webhook/testing/receiver.ts";

let platform: TestPlatform;
let receiver: Receiver;
before(async () => {
  platform = await startTestPlatform({ egressAllow: "127.0.0.1" });
  receiver = await startReceiver();
});

const read = async <Body>(path: string, key = platform.adminKey) =>
  (await (await platform.request(path, { headers: { authorization: key } })).json()) as Body;
const post = async (path: string, key = platform.adminKey) => {
  const response = await platform.request(path, { method: "POST", headers: { authorization: key } });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
};
const list = async (query = "", key = platform.adminKey) =>
  (await read<{ items: Delivery[] }>(`/api/v1/deliveries${query}`, key)).items;

const ended = (keyId?: string) =>
  insertTestRun(platform.store.db, {
    status: "succeeded",
    output: "text",
    webhook: { url: `${receiver.url}/hook?token=hidden`, dialect: "corral" },
    ...(keyId === undefined ? {} : { keyId }),
  });

test("a dead delivery is listed, and sent again by the run's id or its own, with the same webhook-id", async () => {
  receiver.answer = (response) => response.writeHead(410).end("gone");
  const runId = await ended();
  await until("it is dead", async () => (await list(`?run_id=${runId}&status=dead`)).length === 1);
  const [dead] = await list(`?run_id=${runId}`);
  assert.ok(dead);
  assert.equal(dead.last_error, "The receiver answered 410: gone");
  assert.equal(dead.url, `${receiver.url}/hook`);
  assert.equal(dead.next_attempt_at, null);

  receiver.answer = (response) => response.end();
  for (const path of [
    `/runs/${runId}/redeliver`,
    `/api/v1/runs/${runId}/redeliver`,
    `/api/v1/deliveries/${dead.id}/redeliver`,
  ]) {
    const { length } = receiver.received;
    const again = await post(path);
    assert.equal(again.status, 202);
    assert.equal(again.body["id"], dead.id);
    await until("it arrived", () => receiver.received.length > length);
    await until(
      "it is written down",
      async () => (await list(`?run_id=${runId}&status=succeeded`)).length === 1,
    );
  }
  assert.equal(receiver.received.at(-1)?.headers["webhook-id"], dead.id);
});

test("the secret that the API gives verifies what arrives, and goes on doing so after it was replaced", async () => {
  const { secret: old } = await read<{ secret: string }>("/api/v1/webhook-secret");
  assert.match(old, /^whsec_[A-Za-z0-9+/]{43}=$/);
  assert.deepEqual(await read("/api/v1/webhook-secret"), { secret: old });
  const { body } = await post("/api/v1/webhook-secret/rotate");
  assert.notEqual(body["secret"], old);
  assert.deepEqual(await read("/api/v1/webhook-secret"), body);
  const runId = await ended();
  await until("it arrived", () => receiver.received.some((one) => one.body.includes(runId)));
  const got = receiver.received.find((one) => one.body.includes(runId));
  for (const webhookSecret of [old, String(body["secret"])]) {
    const client = new OpenAI({ apiKey: "unused", webhookSecret });
    await client.webhooks.verifySignature(got?.body ?? "", got?.headers ?? {});
  }
});

test("a key sees and sends again what belongs to its own runs; the secret is for admins", async () => {
  const key = await platform.key({ scopes: ["predict"] });
  const [mine, other] = [await ended(key.split("_")[1]), await ended()];
  const seen = await list("", key);
  assert.deepEqual(
    seen.map(({ run_id }) => run_id),
    [mine],
  );
  assert.equal((await post(`/runs/${mine}/redeliver`, key)).status, 202);
  assert.equal((await post(`/runs/${other}/redeliver`, key)).body["code"], "run_not_found");
  const [foreign] = await list(`?run_id=${other}`);
  assert.equal(
    (await post(`/api/v1/deliveries/${foreign?.id}/redeliver`, key)).body["code"],
    "delivery_not_found",
  );
  assert.equal((await post("/api/v1/webhook-secret/rotate", key)).status, 403);
  assert.ok((await list("", await platform.key({ scopes: ["predict", "read"] }))).length > 1);
});

test("what cannot be sent again says why", async () => {
  const { db } = platform.store;
  const without = await insertTestRun(db, { status: "succeeded", webhook: null });
  const open = await insertTestRun(db, { webhook: { url: receiver.url, dialect: "corral" } });
  const refusals = {
    [`/runs/${without}/redeliver`]: [409, /without a webhook/],
    [`/runs/${open}/redeliver`]: [409, /is queued/],
    "/runs/x/redeliver": [404, /no run "x"/],
    "/api/v1/deliveries/x/redeliver": [404, /no delivery "x"/],
    [`/api/v1/deliveries/${without}/redeliver`]: [404, /no delivery/],
  } as const;
  for (const [path, [status, detail]] of Object.entries(refusals)) {
    const answer = await post(path);
    assert.equal(answer.status, status, path);
    assert.match(String(answer.body["detail"]), detail);
  }
  const bad = await platform.request("/api/v1/deliveries?status=lost&run_id=x");
  assert.equal(bad.status, 422);
});

test("server and receiver end", async () => {
  await platform[Symbol.asyncDispose]();
  await receiver[Symbol.asyncDispose]();
});
