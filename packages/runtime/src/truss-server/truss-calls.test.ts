// What of a replica's `/sync/*` the record of the Truss server cannot show: models without code, and TypeScript.

import assert from "node:assert/strict";
import { test } from "node:test";
import { startTestBundle } from "../testing/start-test-bundle.ts";
import { startTestReplica } from "../testing/start-test-replica.ts";

const bare = { "x-corral-bare": "1" };

test("a model without code is ready, answers predict bare, and speaks OpenAI's dialect on OpenAI's paths", async () => {
  await using replica = await startTestReplica();
  const get = (path: string) => replica.call({ method: "GET", path: `/sync${path}`, body: "" });
  assert.deepEqual([(await get("/")).text, (await get("/v1/models/model")).text], ["true", "{}"]);
  assert.match((await get("/metrics/")).text, /^process_resident_memory_bytes \d+$/m);
  for (const name of ["model", "any"])
    assert.deepEqual((await get(`/v1/models/${name}/schema`)).json, { error: "No schema found" });
  const post = (path: string, body: unknown) =>
    replica.call({ path: `/sync${path}`, body, dialect: "baseten", headers: bare });
  const predicted = await post("/v1/models/model:predict", {
    prompt: "abc",
    max_new_tokens: 2,
    num_beams: 1,
  });
  assert.equal(predicted.status, 200, predicted.text);
  assert.equal(predicted.json.usage.generated_tokens, 2);
  assert.equal(predicted.json.model_output, undefined, "nothing stands around it");
  const chat = await post("/v1/chat/completions", {
    model: "any",
    messages: [{ role: "user", content: "hi" }],
    max_tokens: 2,
  });
  assert.equal(chat.json.object, "chat.completion", chat.text);
  assert.equal((await replica.platform.until("started", chat.runId)).dialect, "openai");
  const refused = await post("/v1/completions", { model: "any", prompt: "a", nonsense: 1 });
  assert.deepEqual([refused.status, refused.json.error.type], [400, "invalid_request_error"]);
  const ours = await replica.call({ path: "/v1/embeddings", body: {}, dialect: "openai" });
  assert.deepEqual([ours.status, ours.json.error.code], [404, "route_not_found"]);
  const missing = await post("/v1/messages", {});
  assert.equal(missing.status, 404);
  assert.deepEqual(missing.json, { error: "`messages` must only be called if model has it." });
});

test("unknown paths and methods are refused as the Truss server's framework does", async () => {
  await using replica = await startTestReplica();
  const ask = async (method: string, path: string) => {
    const { status, text, headers } = await replica.call({ method, path: `/sync${path}`, body: "" });
    return [status, text, headers["allow"]];
  };
  assert.deepEqual(await ask("PUT", "/nowhere"), [404, '{"detail":"Not Found"}', undefined]);
  assert.deepEqual(await ask("POST", "/ping"), [405, '{"detail":"Method Not Allowed"}', "GET"]);
  assert.deepEqual(await ask("GET", "/invocations"), [405, '{"detail":"Method Not Allowed"}', "POST"]);
});

test("a body that is no JSON is refused by a model, and given to code as what it says it is", async () => {
  await using model = await startTestReplica();
  const refused = await model.call({ body: "a", headers: { "content-type": "text/plain" } });
  assert.deepEqual([refused.status, refused.json.code], [415, "unsupported_media_type"]);
  await using code = await startTestBundle({
    files: {
      "model/model.ts": `
        export async function predict(input: unknown, { request }: any) {
          const type = request.headers.get("content-type");
          if (type.startsWith("multipart/")) {
            const form = await new Response(request.body, { headers: request.headers }).formData();
            return { file: await (form.get("file") as File).text(), url: request.url };
          }
          return { input: input instanceof Uint8Array ? [...input] : input };
        }`,
    },
  });
  const call = async (body: unknown, type: string) => {
    const headers = { ...bare, "content-type": type };
    return (await code.call({ path: "/sync/invocations?q=1", body, dialect: "baseten", headers })).json;
  };
  assert.deepEqual(await call(Buffer.from([1, 255]), "application/octet-stream"), { input: [1, 255] });
  assert.deepEqual(await call("1,5", "text/csv"), { input: "1,5" });
  assert.deepEqual(await call('{"a":1}', "application/x-www-form-urlencoded"), { input: { a: 1 } });
  const form = '--b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\nhello\r\n--b--\r\n';
  assert.deepEqual(await call(form, "multipart/form-data; boundary=b"), {
    file: "hello",
    url: "/invocations?q=1",
  });
});

test("isHealthy of TypeScript decides readiness and nothing else, and may call the model", async () => {
  await using replica = await startTestBundle({
    files: {
      "model/model.ts": `
        import { llm } from "@corral/model";
        let state = "well";
        export const predict = (next: string) => { state = next; return "answered"; };
        export async function isHealthy() {
          if (state === "throws") throw new Error("ill");
          return state === "well" && (await llm.tokenize("abc")).length > 0;
        }`,
    },
    hasModel: true,
  });
  const ready = async () =>
    (await replica.call({ method: "GET", path: "/sync/v1/models/model", body: "" })).status;
  assert.equal(await ready(), 200);
  for (const state of ["ill", "throws"]) {
    const answer = await replica.call({
      path: "/sync/invocations",
      body: JSON.stringify(state),
      dialect: "baseten",
      headers: bare,
    });
    assert.deepEqual([answer.status, answer.json], [200, "answered"]);
    assert.equal(await ready(), 503, state);
  }
  const loaded = await replica.call({ method: "GET", path: "/sync/v1/models/model/loaded", body: "" });
  assert.equal(loaded.status, 200);
});

test("embeddings, messages and responses of TypeScript answer on their routes", async () => {
  await using replica = await startTestBundle({
    files: {
      "model/model.ts": `
        export const predict = () => null;
        export const embeddings = (body: unknown) => ({ object: "list", body });
        export const messages = () => ({ type: "message" });`,
    },
  });
  const post = (path: string) =>
    replica.call({ path: `/sync${path}`, body: { a: 1 }, dialect: "baseten", headers: bare });
  assert.deepEqual((await post("/v1/embeddings")).json, { object: "list", body: { a: 1 } });
  assert.deepEqual((await post("/v1/messages")).json, { type: "message" });
  assert.equal((await post("/v1/responses")).status, 404);
  const openAi = await replica.call({ path: "/v1/embeddings", body: { a: 1 }, dialect: "openai" });
  assert.deepEqual(openAi.json, { object: "list", body: { a: 1 } });
});
