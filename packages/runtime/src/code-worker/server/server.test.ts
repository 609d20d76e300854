// A server of the author's behind a worker: what it answers, its end, a port that it never opens and one that is taken.

import assert from "node:assert/strict";
import { createServer, type AddressInfo } from "node:net";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
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

async function startServer(
  changes: Partial<ServerSettings> = {},
  files: Readonly<Record<string, string>> = { "server.mjs": program },
): Promise<TestCode> {
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
    files,
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

/** Of the author's: a websocket without a library, for messages of up to 125 bytes. */
const socketProgram = `import { createHash } from "node:crypto";
import { createServer } from "node:http";
const server = createServer((request, response) => response.end("{}"));
server.on("upgrade", (request, socket) => {
  if (request.url.includes("refuse")) return void socket.end("HTTP/1.1 403 Forbidden\\r\\ncontent-length: 0\\r\\n\\r\\n");
  const chosen = request.headers["sec-websocket-protocol"]?.split(", ").at(-1);
  const line = chosen === undefined ? "" : "sec-websocket-protocol: " + chosen + "\\r\\n";
  const key = createHash("sha1").update(request.headers["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest("base64");
  socket.write("HTTP/1.1 101 Switching Protocols\\r\\nconnection: upgrade\\r\\nupgrade: websocket\\r\\nsec-websocket-accept: " + key + "\\r\\n" + line + "\\r\\n");
  const send = (head, body) => socket.write(Buffer.concat([Buffer.from([head, body.length]), body]));
  send(0x81, Buffer.from(request.url + " " + request.headers["x-own"]));
  socket.on("error", () => {});
  socket.on("data", (frame) => {
    const body = Buffer.from(frame.subarray(6, 6 + (frame[1] & 127))).map((byte, index) => byte ^ frame[2 + (index & 3)]);
    if ((frame[0] & 15) === 8) {
      console.log("closed by the caller with " + (body.length < 2 ? "no code" : body.readUInt16BE()));
      send(0x88, body.subarray(0, 2));
      return void socket.end();
    }
    const [, code] = /^close (.*)$/.exec(body.toString()) ?? [];
    if (code !== undefined) send(0x88, Buffer.from(code === "none" ? [] : [code >> 8, code & 255]));
    else if (body.toString() === "bye") send(0x88, Buffer.concat([Buffer.from([4001 >> 8, 4001 & 255]), Buffer.from("enough")]));
    else if (body.toString() === "break") socket.destroy();
    else send(frame[0], body.toReversed());
  });
});
server.listen(Number(process.env.SERVER_PORT), "127.0.0.1");
`;

/** A websocket as the replica opens it. */
function openSocket(code: TestCode, url: string, headers: readonly [string, string][] = []) {
  const received: string[] = [];
  const accepted = Promise.withResolvers<ReadonlyMap<string, string>>();
  let heard = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<string>();
  const running = code.worker.call({
    method: "websocket",
    runId: "r",
    request: { method: "GET", url, headers: [["x-own", "yes"], ...headers] },
    body: new Uint8Array(),
    timeoutMs: null,
    sink: {
      answer: () => ended.resolve("answered"),
      begin: (head) => accepted.resolve(new Map(head.headers)),
      chunk(body, isText) {
        received.push(`${isText === true ? "text" : "bytes"} ${Buffer.from(body).toString()}`);
        heard.resolve();
        heard = Promise.withResolvers();
      },
      end: (closeCode = 1000, reason = "") => ended.resolve(`${closeCode} ${reason}`.trim()),
      fail: ({ reason }) => ended.resolve(reason),
    },
  });
  return {
    running,
    accepted: accepted.promise,
    ended: ended.promise,
    next: async () => {
      if (received.length === 0) await Promise.race([heard.promise, ended.promise]);
      return received.shift();
    },
  };
}

test("a websocket reaches the endpoint of predict, passes both ways, and ends as either side ends it", async () => {
  await using code = await startServer({}, { "server.mjs": socketProgram });
  const { running, next, ended } = openSocket(code, "/v1/websocket?a=1");
  assert.equal(await next(), "text /generate?a=1 yes");
  running.input(Buffer.from("abc"), true);
  assert.equal(await next(), "text cba");
  running.input(Buffer.from("xyz"), false);
  assert.equal(await next(), "bytes zyx");
  running.input(Buffer.from("bye"), true);
  assert.equal(await ended, "4001 enough");

  const left = openSocket(code, "/v1/websocket");
  await left.next();
  left.running.inputEnd(3001);
  await left.ended;
  for (
    let tries = 0;
    !code.logLines.some(({ message }) => message === "closed by the caller with 3001");
    tries++
  ) {
    assert.ok(tries < 500, "the server does not hear of it");
    await sleep(10);
  }
  const broken = openSocket(code, "/v1/websocket");
  await broken.next();
  broken.running.input(Buffer.from("break"), true);
  assert.equal(await broken.ended, "exception");
  assert.equal(await openSocket(code, "/v1/websocket?refuse").ended, "exception");
  assert.equal(code.worker.restartCount, 0);
});

test("a websocket has the subprotocol that the server chose, and none where none was offered", async () => {
  await using code = await startServer({}, { "server.mjs": socketProgram });
  const accepted = async (...headers: [string, string][]) => {
    const socket = openSocket(code, "/v1/websocket", headers);
    const chosen = (await socket.accepted).get("sec-websocket-protocol");
    socket.running.inputEnd(1000);
    await socket.ended;
    return chosen;
  };
  assert.equal(await accepted(["sec-websocket-protocol", "json.v1, json.v2"]), "json.v2");
  assert.equal(await accepted(["sec-websocket-protocol", "no word, json.v1, JSON.V1"]), "json.v1");
  assert.equal(await accepted(), undefined);
});

test("the server's close code comes through, but for one that is never sent", async () => {
  await using code = await startServer({}, { "server.mjs": socketProgram });
  const closed = async (message: string) => {
    const socket = openSocket(code, "/v1/websocket");
    await socket.next();
    socket.running.input(Buffer.from(message), true);
    return await socket.ended;
  };
  for (const number of [1000, 1001, 1008, 1011, 1013, 3000])
    assert.equal(await closed(`close ${number}`), String(number));
  assert.equal(await closed("close none"), "1000");
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
