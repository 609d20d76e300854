// Websockets of TypeScript code behind a replica, spoken to by the client that Node brings.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { connect } from "node:net";
import { once } from "node:events";
import { createServer, request as sendRequest } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { test } from "node:test";
import type { TestReplica } from "../testing/start-test-replica.ts";
import { startTestBundle } from "../testing/start-test-bundle.ts";
import { startTestReplica } from "../testing/start-test-replica.ts";

const code = `
  export async function websocket(socket: any, { runId, request }: any) {
    for await (const message of socket) {
      if (message === "throw") throw new Error("broken");
      if (message === "die") process.exit(1);
      if (message === "block") {
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1_500);
        continue;
      }
      if (message === "close") return socket.close(4000, "enough");
      if (message === "return") return;
      if (message === "who") await socket.send(JSON.stringify({ runId, url: request.url }));
      else if (typeof message === "string") await socket.send(message.toUpperCase());
      else await socket.send(message.toReversed());
    }
    console.log("closed with " + socket.closeCode);
  }`;

/** A client's websocket needs an address of its own: what the gateway does, in a few lines. */
async function openSocket(
  replica: TestReplica,
  headers: Readonly<Record<string, string>> = {},
  protocols: string[] = [],
) {
  const runId = randomUUID();
  const server = createServer();
  server.on("upgrade", (request, client, head) => {
    const upstream = sendRequest({
      socketPath: replica.socketPath,
      path: "/sync/v1/websocket?a=b",
      headers: {
        ...request.headers,
        "x-corral-run-id": runId,
        "x-corral-dialect": "baseten",
        "x-corral-project": "default",
        ...headers,
      },
    });
    upstream.on("upgrade", (response, socket, rest) => {
      const lines = response.rawHeaders.map((text, index) => (index % 2 === 0 ? `${text}: ` : `${text}\r\n`));
      client.write(`HTTP/1.1 101 Switching Protocols\r\n${lines.join("")}\r\n`);
      client.write(rest);
      socket.write(head);
      client.pipe(socket).pipe(client);
      client.on("error", () => socket.destroy());
      socket.on("error", () => client.destroy());
    });
    upstream.end();
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const { port } = server.address() as { port: number };
  const socket = new WebSocket(`ws://127.0.0.1:${port}/`, protocols);
  socket.binaryType = "arraybuffer";
  const closed = new Promise<{ code: number; reason: string }>((resolve) =>
    socket.addEventListener("close", ({ code: number, reason }) => {
      server.close();
      resolve({ code: number, reason });
    }),
  );
  await once(socket, "open");
  const next = async () =>
    ((await once(socket, "message")) as [MessageEvent])[0].data as string | ArrayBuffer;
  const ask = async (message: string | Uint8Array<ArrayBuffer>) => {
    const answered = next();
    socket.send(message);
    return await answered;
  };
  return { runId, socket, closed, ask };
}

test("texts and bytes pass both ways, large ones as well, and the run is recorded", async () => {
  await using replica = await startTestBundle({ files: { "model/model.ts": code } });
  const { runId, ask, socket, closed } = await openSocket(replica);
  assert.equal(await ask("hello ä"), "HELLO Ä");
  assert.deepEqual(
    new Uint8Array((await ask(new Uint8Array([1, 2, 3]))) as ArrayBuffer),
    new Uint8Array([3, 2, 1]),
  );
  const large = new Uint8Array(3 * 1024 * 1024).fill(7);
  assert.equal(((await ask(large)) as ArrayBuffer).byteLength, large.length, "over the limit of an answer");
  assert.deepEqual(JSON.parse((await ask("who")) as string), { runId, url: "/v1/websocket?a=b" });
  assert.equal((await replica.platform.until("started", runId)).dialect, "baseten");
  socket.close(3001);
  assert.equal((await closed).code, 3001);
  assert.equal((await replica.platform.until("finished", runId)).status, "succeeded");
});

test("it closes with 1000 when the code returns, with its own code, and with 1011 when it throws", async () => {
  await using replica = await startTestBundle({ files: { "model/model.ts": code } });
  const ending = async (message: string) => {
    const { runId, socket, closed } = await openSocket(replica);
    socket.send(message);
    const { code: number, reason } = await closed;
    const { status } = await replica.platform.until("finished", runId);
    return [number, reason, status];
  };
  assert.deepEqual(await ending("return"), [1000, "", "succeeded"]);
  assert.deepEqual(await ending("close"), [4000, "enough", "succeeded"]);
  assert.deepEqual(await ending("throw"), [1011, "Internal Server Error (in model/chainlet).", "failed"]);
});

test("code that accepts a websocket itself chooses among the subprotocols that are offered", async () => {
  const accepts = `
    export const acceptsSockets = true;
    export async function websocket(socket: any, { request }: any) {
      const offered = request.headers.get("sec-websocket-protocol");
      socket.accept(offered === null ? "never offered" : offered.split(", ")[1]);
      for await (const message of socket) await socket.send(message);
    }`;
  await using replica = await startTestBundle({ files: { "model/model.ts": accepts } });
  const negotiated = async (protocols: string[]) => {
    const { ask, socket, closed } = await openSocket(replica, {}, protocols);
    assert.equal(await ask("hello"), "hello");
    socket.close();
    await closed;
    return socket.protocol;
  };
  assert.equal(await negotiated(["a", "b"]), "b");
  assert.equal(await negotiated([]), "");
});

test("a model without the method, with code or not, accepts and closes with 1003", async () => {
  await using withCode = await startTestBundle({
    files: { "model/model.ts": "export const predict = () => 1;" },
  });
  await using without = await startTestReplica();
  for (const replica of [withCode, without]) {
    const { closed } = await openSocket(replica);
    assert.deepEqual(await closed, {
      code: 1003,
      reason: "WebSocket is not implemented on this deployment.",
    });
  }
});

test("a client that sends more than the code takes has to wait, and loses nothing", async () => {
  await using replica = await startTestBundle({ files: { "model/model.ts": code } });
  const { socket, closed, ask } = await openSocket(replica);
  socket.send("block");
  await sleep(200);
  const part = new Uint8Array(1024 * 1024);
  for (let sent = 0; sent < 32; sent += 1) socket.send(part);
  await sleep(600);
  assert.ok(socket.bufferedAmount > 16 * part.length, `${socket.bufferedAmount} bytes wait at the client`);
  let answered = 0;
  socket.addEventListener("message", () => (answered += 1));
  while (answered < 32) await once(socket, "message");
  assert.equal(await ask("still"), "STILL");
  socket.close();
  await closed;
});

test("a websocket may ask the model for as long as it is open, whatever a call's time is", async () => {
  const asks = `import { llm } from "@corral/model";
    export async function websocket(socket: any) {
      for await (const prompt of socket) {
        const { usage } = await llm.generate({ prompt, max_new_tokens: 3, do_sample: false });
        await socket.send(String(usage.generated_tokens));
      }
    }`;
  await using replica = await startTestBundle({ files: { "model/model.ts": asks }, hasModel: true });
  const { socket, closed, ask } = await openSocket(replica, { "x-corral-deadline": String(Date.now() + 10) });
  await sleep(50);
  assert.equal(await ask("abc"), "3");
  socket.close();
  await closed;
});

test("while the code is started again a websocket is told to come later", async () => {
  await using replica = await startTestBundle({ files: { "model/model.ts": code } });
  const first = await openSocket(replica);
  first.socket.send("die");
  assert.equal((await first.closed).code, 1011);
  const { closed } = await openSocket(replica);
  assert.deepEqual(await closed, { code: 1013, reason: "The code is being started." });
});

test("what a caller sends along with its handshake is answered after it", async () => {
  await using replica = await startTestBundle({ files: { "model/model.ts": code } });
  const socket = connect(replica.socketPath);
  socket.write(
    `GET /sync/v1/websocket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: a\r\nx-corral-run-id: ${randomUUID()}\r\nx-corral-dialect: baseten\r\nx-corral-project: default\r\n\r\n\x81\x82\0\0\0\0hi`,
    "latin1",
  );
  let received = "";
  for await (const piece of socket.setEncoding("latin1")) {
    received += piece;
    if (received.endsWith("\x81\x02HI")) break;
  }
  assert.match(received, /^HTTP\/1\.1 101 /);
});

test("a caller that is gone without a word is told to the code", async () => {
  await using replica = await startTestBundle({ files: { "model/model.ts": code } });
  const runId = randomUUID();
  const socket = connect(replica.socketPath);
  socket.write(
    `GET /sync/v1/websocket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: a\r\nx-corral-run-id: ${runId}\r\nx-corral-dialect: baseten\r\nx-corral-project: default\r\n\r\n`,
  );
  await replica.platform.until("started", runId);
  socket.destroy();
  assert.equal((await replica.platform.until("finished", runId)).status, "succeeded");
});
