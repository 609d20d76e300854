import assert from "node:assert/strict";
import { connect } from "node:net";
import { before, test } from "node:test";
import { until } from "../testing/until.ts";
import { startTestPlatform, type TestPlatform } from "../testing/start-test-platform.ts";

let platform: TestPlatform;
let deploymentId: string;

before(async () => {
  platform = await startTestPlatform();
  deploymentId = (await platform.deploy("fake")).id;
});

interface ErrorAnswer {
  readonly error: { readonly message: string; readonly param: string | null; readonly code: string };
}
const errorOf = async (response: Response) => [
  response.status,
  ((await response.json()) as ErrorAnswer).error.code,
];

test("a model's name, its deployment's id and name lead to the replica with the same bytes", async () => {
  for (const path of ["/v1/chat/completions", "/v1/completions"]) {
    for (const model of ["fake", deploymentId]) {
      const body = ` {"model" :"${model}", "echo": "\\u00e4"}\n`;
      const response = await platform.post(path, body);
      assert.equal(response.status, 200, path);
      assert.equal(await response.text(), body);
      const seen = JSON.parse(response.headers.get("x-seen") ?? "") as Record<string, string>;
      assert.equal(seen["x-corral-dialect"], "openai");
      assert.equal(seen["x-corral-deployment-id"], deploymentId);
    }
  }
});

test("a chunked body arrives as it was sent", async () => {
  const parts = ['{"model": "fa', 'ke", "echo', '": 1}'];
  const response = await fetch(`${platform.url}/v1/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${platform.adminKey}`, "content-type": "application/json" },
    body: ReadableStream.from(parts.map((part) => new TextEncoder().encode(part))),
    duplex: "half",
  });
  assert.equal(await response.text(), parts.join(""));
});

test("what is wrong is told in OpenAI's envelope, before any replica hears of it", async () => {
  const path = "/v1/chat/completions";
  assert.deepEqual(await errorOf(await platform.post(path, { model: "fakee" })), [404, "model_not_found"]);
  assert.deepEqual(await errorOf(await platform.post(path, {})), [400, "missing_parameter"]);
  assert.deepEqual(await errorOf(await platform.post(path, { model: 5 })), [400, "invalid_parameter"]);
  assert.deepEqual(await errorOf(await platform.post(path, "[]")), [400, "invalid_parameter"]);
  const broken = await platform.post(path, '{"model": "fake" "n": 1}');
  const { error } = (await broken.json()) as ErrorAnswer;
  assert.deepEqual([broken.status, error.code, error.param], [400, "invalid_json", null]);
  assert.match(error.message, /line 1, column 18: missing ',' before "n"/);
  const nested = `{"model": "fake", "stop": ${"[".repeat(100)}${"]".repeat(100)}}`;
  assert.deepEqual(await errorOf(await platform.post(path, nested)), [400, "invalid_parameter"]);
  const form = await platform.post(path, "a=b", { "content-type": "application/x-www-form-urlencoded" });
  assert.deepEqual(await errorOf(form), [415, "unsupported_media_type"]);
  const large = JSON.stringify({ model: "fake", echo: "x".repeat(17 * 1024 * 1024) });
  assert.deepEqual(await errorOf(await platform.post(path, large)), [413, "body_too_large"]);
  const stranger = await platform.post(path, { model: "fake" }, { authorization: "Bearer nobody" });
  assert.deepEqual(await errorOf(stranger), [401, "unauthenticated"]);
  assert.deepEqual(await errorOf(await platform.request(path)), [405, "method_not_allowed"]);
});

test("a caller who leaves while sending leads to no run", async () => {
  const socket = connect(platform.port, "127.0.0.1");
  socket.write(
    `POST /v1/completions HTTP/1.1\r\nHost: 127.0.0.1:${platform.port}\r\nAuthorization: ${platform.adminKey}\r\nContent-Length: 1000\r\n\r\n{`,
  );
  await new Promise((resolve) => setTimeout(resolve, 50));
  socket.destroy();
  await until("it is gone", () => socket.closed);
  assert.equal((await platform.post("/v1/completions", { model: "fake" })).status, 200);
});

test("the list of models has each model once for OpenAI's clients and once for Baseten's", async () => {
  const list = (await (await platform.request("/v1/models")).json()) as {
    object: string;
    data: { id: string; object: string; created: number }[];
    models: { id: string; name: string; deployments_count: number; production_deployment_id: string }[];
  };
  assert.equal(list.object, "list");
  assert.deepEqual(
    list.data.map(({ id, object }) => [id, object]),
    [["fake", "model"]],
  );
  assert.deepEqual(
    list.models.map((one) => [one.name, one.deployments_count, one.production_deployment_id]),
    [["fake", 1, deploymentId]],
  );
  for (const name of ["fake", deploymentId, list.models[0]!.id]) {
    const model = (await (await platform.request(`/v1/models/${name}`)).json()) as {
      id: string;
      name: string;
    };
    assert.deepEqual([model.id, model.name], [name, "fake"]);
  }
  assert.deepEqual(await errorOf(await platform.request("/v1/models/none")), [404, "model_not_found"]);
});

test("a key that is limited to other models neither sees nor calls this one", async () => {
  const key = await platform.key({ scopes: ["predict"], models: ["another"] });
  const headers = { authorization: `Bearer ${key}` };
  const list = (await (await platform.request("/v1/models", { headers })).json()) as { data: unknown[] };
  assert.deepEqual(list.data, []);
  assert.deepEqual(await errorOf(await platform.request("/v1/models/fake", { headers })), [
    404,
    "model_not_found",
  ]);
  assert.deepEqual(await errorOf(await platform.post("/v1/completions", { model: "fake" }, headers)), [
    403,
    "forbidden",
  ]);
});

// The last test: the database of `store/testing.ts` ends before any hook of this file.
test("closing ends the replica and the server", async () => {
  await platform[Symbol.asyncDispose]();
});
