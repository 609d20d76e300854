// The asynchronous calls of Baseten and Cerebrium, in their own words.

import assert from "node:assert/strict";
import { test } from "node:test";
import { startTestPlatform } from "../../testing/start-test-platform.ts";
import { until } from "../../testing/until.ts";

const platform = await startTestPlatform({ egressAllow: "127.0.0.1" });
const { row: deployment } = { row: await platform.deploy("fake") };
const hook = "http://127.0.0.1:9/hook";
const addresses = [
  "/model/fake/production",
  `/model/fake/deployment/${deployment.id}`,
  "/model/fake/environments/production",
];

async function add(body: Record<string, unknown>, path = "/model/fake/production"): Promise<string> {
  const response = await platform.post(`${path}/async_predict`, body);
  assert.equal(response.status, 201, await response.clone().text());
  return ((await response.json()) as { request_id: string }).request_id;
}

async function status(id: string, path = "/async_request"): Promise<Record<string, unknown>> {
  const response = await platform.request(`${path}/${id}`);
  assert.equal(response.status, 200);
  return (await response.json()) as Record<string, unknown>;
}

async function webhookOf(runId: string) {
  const { rows } = await platform.store.pool.query<{
    webhook: unknown;
    webhook_secret: Buffer | null;
    status: string;
  }>("select webhook, webhook_secret, status from runs where id = $1", [runId]);
  return rows[0];
}

test("each of a model's addresses takes calls that nobody waits for, and tells their state in Baseten's words", async () => {
  for (const path of addresses) {
    const id = await add({ model_input: { echo: 1 } }, path);
    await until("it has succeeded", async () => (await status(id))["status"] === "SUCCEEDED");
    const described = await status(id.replaceAll("-", ""), "/model/fake/async_request");
    const { created_at, status_at, ...rest } = described;
    assert.ok(Date.parse(String(created_at)) <= Date.parse(String(status_at)));
    assert.deepEqual(rest, {
      request_id: id,
      model_id: deployment.model_id,
      deployment_id: deployment.id,
      status: "SUCCEEDED",
      webhook_status: "NO_WEBHOOK_PROVIDED",
      errors: [],
    });
  }
});

test("a call that waits can be canceled, one that runs stays, and the queue says how many there are", async () => {
  const blockers = await Promise.all(
    Array.from({ length: 8 }, () => add({ model_input: { wait_ms: 60_000 } })),
  );
  const counts = async () =>
    (await (await platform.request("/model/fake/production/async_queue_status")).json()) as Record<
      string,
      unknown
    >;
  await until("all run", async () => (await counts())["num_in_progress_requests"] === 8);
  const waiting = await add({ model_input: {}, priority: 2 });
  assert.deepEqual(await counts(), {
    model_id: deployment.model_id,
    deployment_id: deployment.id,
    num_queued_requests: 1,
    num_in_progress_requests: 8,
  });
  const cancel = async (id: string) =>
    (await (await platform.request(`/async_request/${id}`, { method: "DELETE" })).json()) as Record<
      string,
      unknown
    >;
  assert.deepEqual(await cancel(waiting), {
    request_id: waiting,
    canceled: true,
    message: "The request was canceled.",
  });
  assert.equal((await status(waiting))["status"], "CANCELED");
  for (const id of blockers) assert.equal((await cancel(id))["canceled"], false);
  for (const id of blockers) await platform.post(`/runs/${id}/cancel`, {});
  await until("none is left", async () => (await counts())["num_in_progress_requests"] === 0);
});

test("what the model refuses and what waits too long say so", async () => {
  const refused = await add({ model_input: { status: 422 } });
  await until("it has failed", async () => (await status(refused))["status"] === "FAILED");
  assert.deepEqual((await status(refused))["errors"], [
    { code: "MODEL_INVALID_INPUT", message: "It is refused." },
  ]);
  const again = await add({
    model_input: { fail: { code: "decode_failed", times: 2 } },
    inference_retry_config: { initial_delay_ms: 0 },
  });
  await until("the third attempt succeeds", async () => (await status(again))["status"] === "SUCCEEDED");
  const never = await add({
    model_input: { fail: { code: "decode_failed", times: 2 } },
    inference_retry_config: { initial_delay_ms: 0, max_attempts: 2 },
  });
  await until("it has failed", async () => (await status(never))["status"] === "FAILED");
});

test("bad calls are refused as Baseten does it", async () => {
  const bad = await platform.post("/model/fake/production/async_predict", { model_input: 1, priority: 3 });
  assert.equal(bad.status, 422);
  assert.match(((await bad.json()) as { error: string }).error, /priority is 3/);
  const large = await platform.post("/model/fake/production/async_predict", {
    model_input: "x".repeat(256 * 1024),
  });
  assert.equal(large.status, 413);
  assert.equal((await platform.post("/model/none/production/async_predict", { model_input: 1 })).status, 404);
  assert.equal((await platform.request("/async_request/none")).status, 404);
  const sync = await platform.post("/fake/predict", {});
  await sync.text();
  assert.equal((await platform.request(`/async_request/${sync.headers.get("x-corral-run-id")}`)).status, 404);
});

test("an idempotency key stands for the whole of a call, its wishes included", async () => {
  const send = (body: Record<string, unknown>) =>
    platform.post("/model/fake/production/async_predict", body, { "idempotency-key": "whole" });
  const bodies = [{ model_input: 1 }, { model_input: 1 }, { model_input: 1, priority: 2 }];
  const statuses: number[] = [];
  for (const body of bodies) statuses.push((await send(body)).status);
  assert.deepEqual(statuses, [201, 201, 422]);
});

test("a webhook in Cerebrium's body is answered at once, as in 2023, and is no part of the call", async () => {
  const response = await platform.post("/fake-webhook/predict?result=text", {
    wait_ms: 1,
    webhook_endpoint: hook,
  });
  assert.equal(response.status, 200);
  const { run_id: id, ...rest } = (await response.json()) as { run_id: string };
  assert.deepEqual(rest, {
    message: "We will return the output to the endpoint provided when the task is complete.",
  });
  assert.deepEqual((await webhookOf(id))?.webhook, { url: hook, dialect: "cerebrium" });
  await until("it has succeeded", async () => (await webhookOf(id))?.status === "succeeded");
});

test("Cerebrium's async and webhookEndpoint in the query, alone and together", async () => {
  const query = `webhookEndpoint=${encodeURIComponent(hook)}`;
  const later = await platform.post("/fake/predict?async=true", {});
  const { run_id: id, ...rest } = (await later.json()) as { run_id: string };
  assert.deepEqual([later.status, rest], [202, {}]);
  assert.equal((await webhookOf(id))?.webhook, null);

  const both = await platform.post(
    `/v4/p-1/fake/predict?async=true&${query}`,
    {},
    { "x-webhook-secret": "s3cret" },
  );
  const { run_id: withHook } = (await both.json()) as { run_id: string };
  const kept = await webhookOf(withHook);
  assert.deepEqual(kept?.webhook, { url: hook, dialect: "cerebrium" });
  assert.ok(kept?.webhook_secret && !kept.webhook_secret.includes("s3cret"));

  const waited = await platform.post(`/fake/predict?result=text&${query}`, {});
  assert.equal(waited.status, 200);
  assert.equal(waited.headers.get("x-asked"), "POST /predict?result=text");
  await waited.text();
  const run = await webhookOf(waited.headers.get("x-corral-run-id") ?? "");
  assert.deepEqual([run?.status, run?.webhook], ["succeeded", { url: hook, dialect: "cerebrium" }]);

  const refused = await platform.post(`/fake/predict?${query}`, { status: 422 });
  assert.equal(refused.status, 422);
  const refusedId = refused.headers.get("x-corral-run-id") ?? "";
  await until("its end is written", async () => (await webhookOf(refusedId))?.status === "failed");
});

test("what is not to be stored is kept for its webhook, and refused where nobody could read it", async () => {
  const unstored = { "x-corral-store": "false" };
  const path = "/model/fake/production/async_predict";
  const later = await platform.post(path, { model_input: {}, webhook_endpoint: hook }, unstored);
  assert.equal(later.status, 201);
  const query = `webhookEndpoint=${encodeURIComponent(hook)}`;
  const waited = await platform.post(`/fake/predict?${query}`, {}, unstored);
  await waited.text();
  for (const response of [later, waited]) {
    const id = response.headers.get("x-corral-run-id") ?? "";
    await until("it has succeeded", async () => (await webhookOf(id))?.status === "succeeded");
    const { rows } = await platform.store.pool.query("select stored, output from runs where id = $1", [id]);
    assert.deepEqual(rows, [{ stored: false, output: '"done"' }]);
  }
  assert.equal((await platform.post(path, { model_input: {} }, unstored)).status, 422);
});

test("bad wishes are refused in Cerebrium's envelope", async () => {
  for (const [path, body] of [
    ["/fake/predict?async=yes", {}],
    ["/fake/predict?webhookEndpoint=ftp://x", {}],
    ["/fake/predict", { webhook_endpoint: "http://10.0.0.1/" }],
    ["/fake/predict", { webhook_endpoint: 5 }],
    ["/fake/predict?webhookEndpoint=ftp://x", { webhook_endpoint: hook }],
    [`/fake/predict?webhookEndpoint=${encodeURIComponent(`${hook}/other`)}`, { webhook_endpoint: hook }],
  ] as const) {
    const response = await platform.post(path, body);
    assert.equal(response.status, 422, path);
    assert.equal(((await response.json()) as { result: null }).result, null);
  }
  const words = await platform.post("/fake/predict", {
    prompt: 'the word "webhook_endpoint" in a text',
    webhook_endpoint: null,
  });
  assert.equal(words.status, 200);
});

// The last test: the database of `store/testing.ts` ends before any hook of this file.
test("closing ends what is left", async () => {
  await platform[Symbol.asyncDispose]();
});
