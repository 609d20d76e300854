// Websockets through the gateway, before a replica that sends back what it gets.

import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { before, test } from "node:test";
import { WebSocket } from "undici";
import { startTestPlatform, type TestPlatform } from "../testing/start-test-platform.ts";
import { until } from "../testing/until.ts";

let platform: TestPlatform;
let id = "";
let modelId = "";

before(async () => {
  platform = await startTestPlatform();
  ({ id, model_id: modelId } = await platform.deploy("fake"));
});

const paths = [
  "/api/v1/deployments/fake/websocket",
  "/model/fake/production/websocket",
  "/model/fake/environments/production/sync/v1/websocket",
  "/model/fake/deployment/fake/websocket",
];

test("every address opens one with a key, and what is said passes both ways", async () => {
  for (const path of paths) {
    const socket = new WebSocket(`ws://127.0.0.1:${platform.port}${path}?a=b`, {
      headers: { authorization: `Api-Key ${platform.adminKey}` },
    });
    await once(socket, "open");
    const [greeting] = (await once(socket, "message")) as [MessageEvent];
    assert.match(greeting.data as string, /^GET \/sync\/v1\/websocket\?a=b run [0-9a-f-]{36}$/, path);
    const answered = once(socket, "message") as Promise<[MessageEvent]>;
    socket.send("hello");
    assert.equal((await answered)[0].data, "hello");
    const closed = once(socket, "close") as Promise<[CloseEvent]>;
    socket.send("close");
    assert.equal((await closed)[0].code, 4001);
  }
  const inFlight = () => platform.reconciler.replicasOf(id)?.[0]?.upstream.inFlightCount;
  await until("none of them is in flight", () => inFlight() === 0);
});

/** The first line and the body of what is answered to a handshake. */
async function handshake(
  path: string,
  key: string | null,
  { upgrade = "websocket", host = "127.0.0.1" } = {},
) {
  const socket = connect(platform.port, "127.0.0.1");
  socket.write(
    `GET ${path} HTTP/1.1\r\nHost: ${host}:${platform.port}\r\nConnection: Upgrade\r\nUpgrade: ${upgrade}\r\n` +
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
      `${key === null ? "" : `Authorization: Api-Key ${key}\r\n`}\r\n`,
  );
  let text = "";
  for await (const chunk of socket) text += String(chunk);
  return [text.slice(9, 12), text.slice(text.indexOf("\r\n\r\n") + 4)] as const;
}

test("without a key, a scope, a model or a route nothing is opened, in the family's words", async () => {
  const [status, body] = await handshake("/model/fake/production/websocket", null);
  assert.equal(status, "401");
  assert.match((JSON.parse(body) as { error: string }).error, /Send an API key/);
  const reader = await platform.key({ scopes: ["read"] });
  assert.equal((await handshake(paths[0] ?? "", reader))[0], "403");
  const others = await platform.key({ scopes: ["predict"], models: ["other"] });
  assert.equal((await handshake(paths[0] ?? "", others))[0], "403");
  assert.equal((await handshake("/api/v1/deployments/none/websocket", platform.adminKey))[0], "404");
  assert.equal((await handshake("/v1/models", platform.adminKey))[0], "404");
  assert.equal(
    (await handshake("/_corral/control", platform.adminKey, { upgrade: "corral-control.1" }))[0],
    "404",
  );
  assert.equal((await platform.request(paths[0] ?? "")).status, 426);
});

test("a host that names a model leads to it, and a foreign host nowhere", async () => {
  const path = "/environments/staging/websocket";
  const [status, body] = await handshake(path, platform.adminKey, { host: `model-${modelId}.api.localhost` });
  assert.equal(status, "404");
  assert.match((JSON.parse(body) as { error: string }).error, /Model .* has no environment "staging"/);
  assert.equal((await handshake(path, platform.adminKey, { host: `model-${modelId}.api.evil` }))[0], "421");
});

test("a caller who is gone is gone for the replica", async () => {
  const socket = connect(platform.port, "127.0.0.1");
  socket.write(
    `GET ${paths[1]} HTTP/1.1\r\nHost: 127.0.0.1:${platform.port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
      `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nAuthorization: Api-Key ${platform.adminKey}\r\n\r\n`,
  );
  await once(socket, "data");
  const count = () => platform.logLines.filter((line) => line.includes("the socket closed")).length;
  const before = count();
  socket.destroy();
  await until("the replica knows", () => count() > before);
});

// The last test: the database of `store/testing.ts` ends before any hook of this file.
test("all of it ends", async () => {
  await platform[Symbol.asyncDispose]();
});
