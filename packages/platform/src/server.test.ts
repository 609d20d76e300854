import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { before, test } from "node:test";
import { startTestPlatform, type TestPlatform } from "./testing/start-test-platform.ts";
import { describeServer } from "./describe-server.ts";
import { scopes } from "@corral/contract";
import { fastify } from "fastify";
import { collectGuards } from "./gateway/guard.ts";
import { connect } from "node:net";
import { createKey, revokeKey } from "./store/keys.ts";
import { getOrCreateProject } from "./store/projects.ts";

let platform: TestPlatform;
before(async () => {
  platform = await startTestPlatform();
});

test("a route that declares no guard stops the server from being built", () => {
  const app = fastify();
  collectGuards(app);
  assert.throws(() => app.get("/open", async () => ""), /declares no guard/);
});

test("each scope opens its own routes and no others", async () => {
  const routes: [string, string, string[]][] = [
    ["GET", "/api/v1/models", ["read"]],
    ["POST", "/api/v1/deployments", ["push_config", "push_code"]],
    ["GET", "/api/v1/keys", ["admin"]],
    ["POST", "/x/predict", ["predict"]],
    ["GET", "/metrics", ["metrics"]],
  ];
  for (const scope of scopes) {
    const key = await platform.key({ scopes: [scope] });
    for (const [method, path, needed] of routes) {
      const response = await platform.request(path, { method, headers: { authorization: key } });
      const allowed = scope === "admin" || needed.includes(scope);
      assert.equal(
        response.status === 403,
        !allowed,
        `${scope}: ${method} ${path} answered ${response.status}`,
      );
    }
  }
});

test("another project's things are not found by any address, and its lists are empty", async () => {
  const { db } = platform.store;
  const mine = await platform.deploy("mine");
  await getOrCreateProject(db, "other", "other");
  const { key } = await createKey(db, "other", {
    name: "stranger",
    scopes: ["admin"],
    models: null,
    token_cap: null,
    weight: 1,
    expires_at: null,
  });
  const call = await platform.post("/mine/predict", {});
  await call.text();
  const run = call.headers.get("x-corral-run-id") ?? "";
  const keyId = platform.adminKey.split("_")[1] ?? "";
  const headers = { authorization: key };
  for (const path of [
    `/api/v1/models/${mine.model_id}`,
    `/api/v1/versions/${mine.version_id}`,
    `/api/v1/deployments/${mine.id}`,
    `/api/v1/deployments/mine/logs`,
    `/api/v1/deployments/mine/replicas`,
    `/api/v1/runs/${run}`,
    `/runs/${run}`,
  ]) {
    assert.equal((await platform.request(path)).status, 200, path);
    assert.equal((await platform.request(path, { headers })).status, 404, path);
  }
  for (const path of ["models", "versions", "deployments", "runs"]) {
    const list = (await (await platform.request(`/api/v1/${path}`, { headers })).json()) as { items: [] };
    assert.deepEqual(list.items, [], path);
  }
  for (const path of [`/api/v1/models/mine`, `/api/v1/deployments/${mine.id}`, `/api/v1/keys/${keyId}`])
    assert.equal((await platform.request(path, { method: "DELETE", headers })).status, 404, path);
  for (const path of [
    "/mine/predict",
    "/models/mine/predict",
    `/model_versions/${mine.id}/predict`,
    "/api/v1/deployments/mine/generate",
  ])
    assert.equal((await platform.post(path, {}, headers)).status, 404, path);
  const version = await platform.post("/api/v1/deployments", { version_id: mine.version_id }, headers);
  assert.equal(version.status, 404);
});

test("a key finds the runs of its own calls alone, in full pages", async () => {
  const key = await platform.key({ scopes: ["predict"] });
  const own: (string | null)[] = [];
  for (let call = 0; call < 3; call += 1) {
    const headers = { authorization: key };
    const response = await platform.post("/mine/predict", {}, headers);
    await response.text();
    own.unshift(response.headers.get("x-corral-run-id"));
    await (await platform.post("/mine/predict", {})).text();
  }
  const list = await platform.request("/api/v1/runs?limit=2", { headers: { authorization: key } });
  const { items, next_cursor } = (await list.json()) as {
    items: { run_id: string }[];
    next_cursor: string;
  };
  assert.deepEqual(
    items.map(({ run_id }) => run_id),
    own.slice(0, 2),
  );
  assert.ok(next_cursor);
});

test("a list leaves long outputs out and says how long they are; the run itself has them", async () => {
  const call = await platform.post("/mine/predict", {});
  await call.text();
  const id = call.headers.get("x-corral-run-id") ?? "";
  const output = JSON.stringify("x".repeat(100_000));
  await platform.store.db.updateTable("runs").set({ output }).where("id", "=", id).execute();
  const list = (await (await platform.request("/api/v1/runs?limit=2")).json()) as {
    items: { run_id: string; output: unknown; output_bytes: number }[];
  };
  assert.equal(list.items[0]?.run_id, id);
  assert.equal(list.items[0]?.output, null);
  assert.equal(list.items[0]?.output_bytes, 100_002);
  assert.equal(list.items[1]?.output, "done");
  const run = (await (await platform.request(`/runs/${id}`)).json()) as { output: string };
  assert.equal(run.output.length, 100_000);
});

test("a cursor that no list gave out is refused with its field", async () => {
  const texts = ['[-8640000000000000,"x"]', '[8640000000000000,"x"]', '["1","x"]', "[1]", "null", "{"];
  for (const text of ["", ...texts.map((text) => Buffer.from(text).toString("base64url"))]) {
    for (const path of ["models", "versions", "deployments", "keys", "runs"]) {
      const response = await platform.request(`/api/v1/${path}?cursor=${text}`);
      assert.equal(response.status, 422, `${path} ${text}`);
    }
  }
});

test("ten calls for the same version make one deployment; ten for versions of one model make ten", async () => {
  const { version_id } = await platform.deploy("crowded", {}, false);
  const same = await Promise.all(
    Array.from({ length: 10 }, () => platform.post("/api/v1/deployments", { version_id, name: "crowd" })),
  );
  assert.deepEqual(
    same.map(({ status }) => status).toSorted((a, b) => a - b),
    [200, 200, 200, 200, 200, 200, 200, 200, 200, 201],
  );
  const unnamed = await Promise.all(
    (["default", "reference"] as const).flatMap((precision) =>
      Array.from({ length: 4 }, () => platform.post("/api/v1/deployments", { version_id, precision })),
    ),
  );
  for (const response of unnamed)
    assert.ok([200, 201].includes(response.status), await response.clone().text());
});

test("a key of one model cannot give its deployment another model's address", async () => {
  const { version_id } = await platform.deploy("narrow", {}, false);
  const key = await platform.key({ scopes: ["push_config"], models: ["narrow"] });
  const deploy = (name: string) =>
    platform.post("/api/v1/deployments", { version_id, name }, { authorization: key });
  assert.equal((await deploy("llamav2-7b-chat")).status, 403);
  assert.equal((await deploy("narrow")).status, 200);
});

test("a path that cannot be decoded is refused under a foreign name as any other", async () => {
  const status = (host: string) =>
    new Promise<string>((resolve) => {
      const socket = connect(platform.port, "127.0.0.1", () =>
        socket.write(`GET /%ff/x HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`),
      );
      socket.once("data", (chunk: Buffer) => resolve(chunk.toString().split("\r\n")[0] ?? ""));
    });
  assert.match(await status("evil.example"), / 421 /);
  assert.match(await status(`127.0.0.1:${platform.port}`), / 404 /);
});

test("a revoked key is refused by the very next call, an expired one at once", async () => {
  const expired = await platform.key({ expires_at: new Date(Date.now() - 1).toISOString() });
  assert.equal(
    (await platform.request("/api/v1/models", { headers: { authorization: expired } })).status,
    401,
  );
  const response = await platform.post("/api/v1/keys", { name: "short-lived", scopes: ["read"] });
  assert.equal(response.status, 201);
  const { id, key } = (await response.json()) as { id: string; key: string };
  assert.equal(
    (await platform.request("/api/v1/models", { headers: { "x-api-key": key, authorization: "" } })).status,
    200,
  );
  await revokeKey(platform.store.db, "default", id, new Date());
  assert.equal((await platform.request("/api/v1/models", { headers: { authorization: key } })).status, 401);
});

test("a list of keys shows no secret", async () => {
  const text = await (await platform.request("/api/v1/keys")).text();
  assert.doesNotMatch(text, new RegExp(platform.adminKey.slice(16)));
  assert.match(text, /"prefix":"corral_/);
});

test("every bad field of a body is named, with its pointer", async () => {
  const response = await platform.post("/api/v1/keys", { scopes: ["fly"], colour: 1 });
  assert.equal(response.status, 422);
  const problem = (await response.json()) as { errors: { pointer: string; code: string }[] };
  const found = problem.errors.map(({ pointer, code }) => `${pointer} ${code}`).sort();
  assert.deepEqual(found, [
    "/colour unknown_parameter",
    "/name missing_parameter",
    "/scopes/0 invalid_parameter",
  ]);
});

test("a route without a body takes a request that names JSON and sends nothing; another one says what is missing", async () => {
  const headers = { "content-type": "application/json" };
  const cancel = await platform.request(`/runs/${randomUUID()}/cancel`, { method: "POST", headers });
  assert.equal(cancel.status, 404);
  const key = await platform.request("/api/v1/keys", { method: "POST", headers });
  assert.equal(key.status, 400);
  assert.match(await key.text(), /The body is empty/);
});

test("names of routes and names that lead elsewhere cannot be deployed", async () => {
  for (const name of ["models", "api", "a/b", "..", "x-webhook", "UPPER"]) {
    const response = await platform.post("/api/v1/deployments", { source: "corral-tiny-2", name });
    assert.equal(response.status, 422, name);
    assert.match(JSON.stringify(await response.json()), /\/name/);
  }
});

test("a weights file outside the roots is refused, also through a link", async () => {
  for (const source of ["/etc/passwd", `${platform.home}/models/../admin-key.gguf`, "/etc/shadow.gguf"]) {
    const response = await platform.post("/api/v1/deployments", { source, name: "stolen" });
    assert.equal(response.status, 422, source);
    assert.match(JSON.stringify(await response.json()), /model roots/);
  }
});

test("what is not there is 404 in problem details", async () => {
  for (const path of [
    "/api/v1/models/x",
    "/api/v1/versions/x",
    "/api/v1/deployments/x",
    "/api/v1/runs/x",
    "/runs/6f2b1f2e-0000-4000-8000-000000000000",
  ]) {
    const response = await platform.request(path);
    assert.equal(response.status, 404, path);
    assert.equal(response.headers.get("content-type"), "application/problem+json");
  }
  assert.equal((await platform.request("/api/v1/keys/x", { method: "DELETE" })).status, 404);
});

test("the OpenAPI document names every documented route, and the route table its scope", async () => {
  const { routes, openApi } = await describeServer();
  const document = openApi as { openapi: string; paths: Record<string, object> };
  assert.equal(document.openapi, "3.1.0");
  for (const [path, operations] of Object.entries(document.paths)) {
    const { post } = operations as { post?: { responses: object } };
    if (path.endsWith("/predict") && post !== undefined && !/async_predict/.test(path))
      assert.ok("200" in post.responses, `${path} answers 200`);
  }
  for (const { path, summary } of routes) {
    assert.ok(summary !== "", path);
    assert.ok(document.paths[path.replace("{name}-webhook", "{name}-webhook")] !== undefined, path);
  }
  assert.deepEqual(routes.find(({ path }) => path === "/healthz")?.scope, null);
  for (const { path, method, scope } of routes) {
    const operation = (
      document.paths[path] as Record<
        string,
        { security?: unknown[]; requestBody?: object; responses: Record<string, object> }
      >
    )[method.toLowerCase()];
    assert.equal(
      operation?.security?.length,
      scope === null || scope === "signature" ? 0 : 1,
      `${method} ${path}`,
    );
    const statuses = Object.keys(operation?.responses ?? {});
    assert.ok(statuses.includes("404") && statuses.includes("503"), `${method} ${path}: ${statuses.join()}`);
    assert.equal(statuses.includes("401"), scope !== null && scope !== "signature", `${method} ${path}`);
    assert.ok(
      statuses.some((status) => status.startsWith("2")),
      `${method} ${path}`,
    );
    const takesBody =
      ["POST", "PUT", "PATCH"].includes(method) &&
      !/^PUT \/s3\/|\/(cancel|redeliver|(secret-key|webhook-secret)\/rotate|\{\*\})$/.test(
        `${method} ${path}`,
      );
    assert.equal(operation?.requestBody !== undefined, takesBody, `${method} ${path}`);
  }
});

test("the server ends", async () => {
  await platform[Symbol.asyncDispose]();
});
