import assert from "node:assert/strict";
import { request as httpRequest, type IncomingMessage } from "node:http";
import { connect } from "node:net";
import { before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { startTestPlatform, type TestPlatform } from "../testing/start-test-platform.ts";
import { until } from "../testing/until.ts";
import { isSameProcess } from "../replica/process-identity.ts";
import { listAliveReplicas } from "../store/replicas.ts";
import { getRun, toRun } from "../store/runs.ts";

let platform: TestPlatform;

before(async () => {
  platform = await startTestPlatform();
  await platform.deploy("fake");
});

const fakePaths = [
  "/api/v1/deployments/fake/generate",
  "/model_versions/fake/predict",
  "/models/fake/predict",
  "/fake/predict",
  "/fake-webhook/predict",
];

test("every address of a model leads to its replica, with the same bytes and none of the caller's secrets", async () => {
  for (const path of fakePaths) {
    const body = ' {"echo" :1, "ä": "\\u00e4"}\n';
    const response = await platform.post(path, body, { "x-corral-run-id": "forged", cookie: "a=b" });
    assert.equal(response.status, 200, path);
    assert.equal(await response.text(), body);
    const seen = JSON.parse(response.headers.get("x-seen") ?? "") as Record<string, string>;
    assert.equal(seen["x-corral-run-id"], response.headers.get("x-corral-run-id"));
    assert.notEqual(seen["x-corral-run-id"], "forged");
    assert.doesNotMatch(JSON.stringify(seen), /corral_|a=b/);
  }
});

test("a call is answered in full only when its end is committed", async () => {
  const response = await platform.post("/fake/predict", {});
  await response.text();
  const run = await getRun(platform.store.db, "default", response.headers.get("x-corral-run-id") ?? "");
  assert.equal(run?.status, "succeeded");
  assert.equal(run === null ? null : toRun(run).output, "done");
  assert.equal((await platform.request(`/runs/${run?.id}`)).status, 200);
});

test("the first chunk arrives before the last is written", async () => {
  const response = await platform.post("/fake/predict", { stream: true, pause_ms: 2_000 });
  const startedAt = performance.now();
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  assert.equal((await reader.read()).value, "first ");
  assert.ok(performance.now() - startedAt < 1_900);
  assert.equal((await reader.read()).value, "last");
});

test("a caller who leaves is noticed by the replica", async () => {
  const leaving = new AbortController();
  const response = await platform.post("/fake/predict", { stream: true, pause_ms: 1_000 });
  const reader = response.body!.getReader();
  await reader.read();
  const before = platform.logLines.filter((line) => line.includes("the caller left")).length;
  leaving.abort();
  await reader.cancel();
  await until(
    "the replica sees it",
    () => platform.logLines.filter((line) => line.includes("the caller left")).length > before,
  );
});

test("an answer is read from the replica no faster than the caller takes it", async () => {
  const incoming = await new Promise<IncomingMessage>((resolve) => {
    const outgoing = httpRequest(
      `${platform.url}/fake/predict`,
      { method: "POST", headers: { authorization: platform.adminKey, "content-type": "application/json" } },
      (response) => {
        response.pause();
        resolve(response);
      },
    );
    outgoing.end(JSON.stringify({ flood_bytes: 256 * 1024 * 1024 }));
  });
  await sleep(700);
  const sent = platform.logLines.flatMap((line) => /sent (\d+)/.exec(line)?.[1] ?? []).map(Number);
  assert.ok(Math.max(0, ...sent) < 64 * 1024 * 1024, `${Math.max(...sent)} bytes were sent to nobody`);
  incoming.destroy();
});

test("a body over 16 MiB is refused in the family's envelope, with or without a length, and the answer is readable", async () => {
  const large = JSON.stringify({ echo: "x".repeat(17 * 1024 * 1024) });
  const known = await platform.post("/model_versions/fake/predict", large);
  assert.equal(known.status, 413);
  assert.match(((await known.json()) as { error: string }).error, /16 MiB/);

  const chunked = await new Promise<{ status: number | undefined; body: string }>((resolve, reject) => {
    const outgoing = httpRequest(
      `${platform.url}/fake/predict`,
      { method: "POST", headers: { authorization: platform.adminKey } },
      (response) => {
        let body = "";
        response.on("data", (chunk: Buffer) => (body += chunk.toString()));
        response.on("end", () => resolve({ status: response.statusCode, body }));
      },
    );
    outgoing.on("error", reject);
    for (let sent = 0; sent < 17; sent += 1) outgoing.write(Buffer.alloc(1024 * 1024, 32));
    outgoing.end();
  });
  assert.equal(chunked.status, 413);
  assert.equal((JSON.parse(chunked.body) as { result: null }).result, null);
});

test("a caller who leaves while sending is forgotten, and nobody else notices", async () => {
  const deploymentId = (await listAliveReplicas(platform.store.db))[0]!.deployment_id;
  const inFlight = () => platform.reconciler.replicasOf(deploymentId)?.[0]?.inFlightCount;
  const socket = connect(platform.port, "127.0.0.1");
  socket.write(
    `POST /models/fake/predict HTTP/1.1\r\nHost: 127.0.0.1:${platform.port}\r\nAuthorization: ${platform.adminKey}\r\nContent-Length: 1000\r\n\r\n{`,
  );
  await until("the call is on its way", () => inFlight() === 1);
  socket.destroy();
  await until("it is forgotten", () => inFlight() === 0);
  assert.equal((await platform.post("/fake/predict", {})).status, 200);
});

test("a body just under the limit passes", async () => {
  const body = JSON.stringify({ echo: "x".repeat(15 * 1024 * 1024) });
  const response = await platform.post("/fake/predict", body);
  assert.equal(response.status, 200);
  assert.equal((await response.text()).length, body.length);
});

test("a content type that is not JSON is refused with the remedy", async () => {
  const response = await platform.post("/fake/predict", "a=b", {
    "content-type": "application/x-www-form-urlencoded",
  });
  assert.equal(response.status, 415);
  assert.match(((await response.json()) as { message: string }).message, /Content-Type: application\/json/);
});

test("unknown names are answered in the family's envelope with what to do", async () => {
  const cerebrium = await platform.post("/llamav2-7b-webhook/predict", {});
  assert.equal(cerebrium.status, 404);
  assert.match(((await cerebrium.json()) as { message: string }).message, /corral deploy llamav2-7b/);
  const baseten = await platform.post("/models/nothing/predict", {});
  assert.equal(baseten.headers.get("x-baseten-error-source"), "01");
  assert.equal(baseten.status, 404);
  const ours = await platform.post("/api/v1/deployments/fak/generate", {});
  assert.match(((await ours.json()) as { detail: string }).detail, /Did you mean fake/);
  for (const path of ["/%2e%2e%2fetc/predict", "/..%2f..%2fetc%2fpasswd/predict", "/models/%00/predict"]) {
    assert.equal((await platform.post(path, {})).status, 404, path);
  }
});

test("another method is 405 with Allow, an unknown route 404, bad JSON 400 with its place", async () => {
  const method = await platform.request("/fake/predict");
  assert.equal(method.status, 405);
  assert.equal(method.headers.get("allow"), "POST");
  assert.equal(
    (await platform.request("/no/such/route")).headers.get("content-type"),
    "application/problem+json",
  );
  const json = await platform.post("/api/v1/keys", '{"name": "x"\n "scopes": []}');
  assert.equal(json.status, 400);
  assert.match(((await json.json()) as { detail: string }).detail, /line 2, column 2: missing ','/);
});

test("a Host or an absolute address that is not ours is refused with 421; our own absolute address is a path", async () => {
  const ask = (head: string) =>
    new Promise<string>((resolve, reject) => {
      const socket = connect(platform.port, "127.0.0.1", () =>
        socket.write(`${head}\r\nConnection: close\r\n\r\n`),
      );
      let text = "";
      socket.on("data", (chunk: Buffer) => (text += chunk.toString()));
      socket.on("error", reject);
      socket.on("close", () => resolve(text.split("\r\n")[0] ?? ""));
    });
  const own = `127.0.0.1:${platform.port}`;
  assert.match(await ask(`GET /healthz HTTP/1.1\r\nHost: evil.example`), / 421 /);
  assert.match(await ask(`GET http://evil.example/healthz HTTP/1.1\r\nHost: ${own}`), / 421 /);
  assert.match(await ask(`GET http://169.254.169.254/ HTTP/1.1\r\nHost: ${own}`), / 421 /);
  assert.match(await ask(`GET http://${own}/healthz HTTP/1.1\r\nHost: ${own}`), / 200 /);
  assert.match(await ask(`GET /healthz HTTP/1.1\r\nHost: localhost:${platform.port}`), / 200 /);
});

test("a request id is echoed where it is a harmless word", async () => {
  const response = await platform.request("/healthz", { headers: { "x-request-id": "abc-1" } });
  assert.equal(response.headers.get("x-request-id"), "abc-1");
  const made = await platform.request("/healthz", { headers: { "x-request-id": "a b\tc" } });
  assert.match(made.headers.get("x-request-id") ?? "", /^[0-9a-f-]{36}$/);
});

test("a key limited to other models is refused", async () => {
  const key = await platform.key({ scopes: ["predict"], models: ["other"] });
  const response = await platform.post("/fake/predict", {}, { authorization: key });
  assert.equal(response.status, 403);
});

// The last test: the database of `store/testing.ts` ends before any hook of this file.
test("closing ends the replica's process, its row and the server", async () => {
  const rows = await listAliveReplicas(platform.store.db);
  assert.equal(rows.length, 1);
  await platform.stop();
  assert.deepEqual(await listAliveReplicas(platform.store.db), []);
  assert.equal(isSameProcess(rows[0]!.pid!, rows[0]!.process_started!), false);
  await platform[Symbol.asyncDispose]();
});
