// A server of the author's behind a worker: what it answers, its end, a port that it never opens and one that is taken.

import assert from "node:assert/strict";
import { createServer, type AddressInfo } from "node:net";
import { test } from "node:test";
import { startTestCode, type TestCode } from "../../testing/code-worker.ts";
import type { ServerSettings } from "./author-server.ts";
import { parseListeners } from "./listening.ts";
import { serverModel } from "./program.ts";
import { targetOf } from "./target.ts";

const endpoints = {
  predict_endpoint: "/generate",
  readiness_endpoint: "/ready",
  liveness_endpoint: "/alive",
};

const program = `import { createServer } from "node:http";
createServer(async (request, response) => {
  const pieces = [];
  for await (const piece of request) pieces.push(piece);
  const body = Buffer.concat(pieces).toString();
  if (request.url === "/die") process.exit(3);
  if (request.url === "/stream") { response.write("a"); setTimeout(() => response.end("b"), 50); return; }
  const status = request.url === "/teapot" ? 418 : 200;
  response.writeHead(status, { "content-type": "application/json", "x-own": "yes" });
  response.end(JSON.stringify({ method: request.method, url: request.url, body, type: request.headers["content-type"] ?? null }));
}).listen(Number(process.env.SERVER_PORT), process.env.SERVER_HOST ?? "127.0.0.1", () => console.log("listens"));
`;

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function startServer(changes: Partial<ServerSettings> = {}): Promise<TestCode> {
  const port = changes.port ?? (await freePort());
  const config = {
    start_command: `exec '${process.execPath}' server.mjs`,
    startup_ms: 10_000,
    restart_ms: 60_000,
    ...endpoints,
    port,
    ...changes,
  };
  return await startTestCode({
    files: { "server.mjs": program },
    variables: { SERVER_PORT: String(port) },
    start: { file: serverModel, config },
  });
}

const request = (method: string, url: string) => ({
  method,
  url,
  headers: [["content-type", "text/x-own"]] as [string, string][],
});

test("predict goes to its endpoint, all else as it came, and a server that ends is started again", async () => {
  await using code = await startServer();
  const predicted = await code.call(
    { a: 1 },
    { request: { ...request("POST", "/predict?x=1"), headers: [] } },
  );
  assert.deepEqual(JSON.parse(predicted.text), {
    method: "POST",
    url: "/generate?x=1",
    body: '{"a":1}',
    type: null,
  });
  const http = (method: string, url: string) =>
    code.call("raw", { method: "http", request: request(method, url) });
  const put = await http("PUT", "/teapot");
  assert.equal(put.status, 418);
  assert.equal(put.headers["x-own"], "yes");
  assert.deepEqual(JSON.parse(put.text), {
    method: "PUT",
    url: "/teapot",
    body: "raw",
    type: "text/x-own",
  });
  assert.deepEqual((await http("GET", "/stream")).chunks, ["a", "b"]);
  assert.equal(JSON.parse((await http("GET", "/v1/models/model?q")).text).url, "/ready?q");
  const died = await http("POST", "/die");
  assert.notEqual(died.failure, null);
  // The next waits for the server that is started in its place.
  assert.equal((await http("POST", "/again")).status, 200);
  assert.equal(code.worker.restartCount, 1);
});

test("a server that does not come up says why: its end, its silence, or whose port it is", async () => {
  const failing: readonly (readonly [Partial<ServerSettings>, RegExp])[] = [
    [{ start_command: "echo mine; exit 7" }, /start_command ended with status 7/],
    [
      { start_command: "exec sleep 30", startup_ms: 300 },
      /GET \/ready on port \d+ did not answer 2xx within 300 ms \(ECONNREFUSED\)/,
    ],
  ];
  for (const [changes, message] of failing)
    await assert.rejects(
      startServer(changes).then((code) => code[Symbol.asyncDispose]()),
      message,
    );
  const other = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => other.once("listening", resolve));
  try {
    const { port } = other.address() as AddressInfo;
    await assert.rejects(startServer({ port }), /another program of this machine listens there/);
  } finally {
    other.close();
  }
});

test("paths of the Truss server lead to the endpoints, others stay, with their queries", () => {
  const cases = [
    ["/", "/alive"],
    ["/v1/models/model", "/ready"],
    ["/v1/models/model/loaded?a", "/ready?a"],
    ["/v1/models/model:predict?a=/", "/generate?a=/"],
    ["/v1/chat/completions", "/v1/chat/completions"],
    ["/generate?b", "/generate?b"],
  ];
  for (const [url = "", path] of cases) assert.equal(targetOf("POST", url, endpoints).path, path, url);
});

test("listeners of a port are found in the kernel's table, with whether other machines reach them", () => {
  const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F40 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 11 1 0 100 0 0 10 0
   1: 00000000:1F40 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 12 1 0 100 0 0 10 0
   2: 0100007F:1F40 0100007F:9999 01 00000000:00000000 00:00000000 00000000  1000        0 13 1 0 100 0 0 10 0
   3: 00000000000000000000000001000000:1F40 00000000000000000000000000000000:0000 0A 0:0 00:0 0 1000 0 14 1
   4: 0100007F:1F41 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 15 1 0 100 0 0 10 0
`;
  assert.deepEqual(parseListeners(table, 8000), [
    { inode: "11", isOpen: false },
    { inode: "12", isOpen: true },
    { inode: "14", isOpen: false },
  ]);
});
