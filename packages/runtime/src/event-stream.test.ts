import { ServingError } from "@corral/contract";
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, get, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { test, type TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { createEventStream, createTextStream } from "./event-stream.ts";
import { parseEvents } from "./testing/platform-side.ts";

/** One exchange: what the server writes on, and what the client reads. */
async function exchange(
  context: TestContext,
): Promise<{ response: ServerResponse; received: Promise<IncomingMessage> }> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  context.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const client = get({ port: (server.address() as AddressInfo).port, host: "127.0.0.1", agent: false });
  const received = once(client, "response").then(([message]) => message as IncomingMessage);
  const [, response] = (await once(server, "request")) as [IncomingMessage, ServerResponse];
  return { response, received };
}

test("each piece reaches the reader before the next is written", async (context) => {
  const { response, received } = await exchange(context);
  const stream = createEventStream(response);
  await stream.token({ text: "a", event: { text: "a" } });
  const message = await received;
  const [chunk] = await once(message, "data");
  assert.equal(String(chunk), 'event: token\ndata: {"text":"a"}\n\n');
  assert.equal(message.headers["x-accel-buffering"], "no");
  stream.finish({ ok: true });
});

test("a reader that takes nothing holds the writer up instead of filling memory", async (context) => {
  const { response, received } = await exchange(context);
  const stream = createTextStream(response);
  const piece = { text: "x".repeat(64 * 1024), event: null };
  let written = 0;
  const writing = (async () => {
    for (; written < 2_000; written += 1) await stream.token(piece);
  })();
  const message = await received;
  await sleep(200);
  assert.ok(written < 500, `${written} pieces of 64 KiB were taken`);
  message.destroy();
  await writing;
});

test("nothing is sent before the first piece, so that a failure keeps its status", async (context) => {
  const { response } = await exchange(context);
  const stream = createEventStream(response);
  assert.equal(stream.begun, false);
  await stream.token({ text: "", event: null });
  assert.equal(stream.begun, false);
  response.end();
});

test("a failure on the way is an error event, or a connection cut short where there is only text", async (context) => {
  const events = await exchange(context);
  const eventStream = createEventStream(events.response);
  await eventStream.token({ text: "a", event: {} });
  eventStream.fail(new ServingError("decode_failed", "no"));
  const chunks: Buffer[] = [];
  for await (const chunk of await events.received) chunks.push(chunk as Buffer);
  assert.deepEqual(parseEvents(Buffer.concat(chunks).toString()).at(-1), {
    event: "error",
    data: { error: { code: "decode_failed", detail: "no" } },
  });

  const text = await exchange(context);
  const textStream = createTextStream(text.response);
  await textStream.token({ text: "a", event: null });
  const message = await text.received;
  textStream.fail(new ServingError("decode_failed", "no"));
  await assert.rejects(async () => {
    for await (const _ of message);
  });
});

test("a silent stream of events is kept alive with comments", async (context) => {
  context.mock.timers.enable({ apis: ["setInterval"] });
  const { response, received } = await exchange(context);
  const stream = createEventStream(response);
  context.mock.timers.tick(15_000);
  const [chunk] = await once(await received, "data");
  assert.equal(String(chunk), ": ping\n\n");
  stream.finish({});
});
