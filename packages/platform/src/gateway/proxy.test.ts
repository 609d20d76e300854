import assert from "node:assert/strict";
import { createServer, request as httpRequest, type Server } from "node:http";
import { connect, type AddressInfo } from "node:net";
import { test, type TestContext } from "node:test";
import { Pool } from "undici";
import type { ServingError } from "@corral/contract";
import { until } from "../testing/until.ts";
import { proxyCall, type Upstream } from "./proxy.ts";

const portOf = (server: Server) => (server.address() as AddressInfo).port;
const listening = (server: Server) =>
  new Promise<number>((resolve) => server.listen(0, "127.0.0.1", () => resolve(portOf(server))));

/** A gateway of nothing but `proxyCall`, before a replica that counts the calls it meets. */
async function pipeline(
  context: TestContext,
  { lagMs = 0, bodyPauseMs }: { readonly lagMs?: number; readonly bodyPauseMs?: number } = {},
) {
  const seen: string[] = [];
  const refused: ServingError[] = [];
  const replica = createServer((request, response) => {
    const call = seen.push("") - 1;
    request.on("data", (chunk: Buffer) => (seen[call] += chunk.toString()));
    request.on("end", () => response.end(`got ${seen[call]?.length}`));
    request.on("error", () => {});
  });
  const upstream: Upstream & { dispatcher: Pool } = {
    dispatcher: new Pool(`http://127.0.0.1:${await listening(replica)}`, { connections: null }),
    inFlightCount: 0,
  };
  const state = { done: 0 };
  const gateway = createServer((request, response) => {
    setTimeout(() => {
      void proxyCall({
        request,
        response,
        upstream,
        path: "/predict",
        headers: Object.fromEntries(
          Object.entries(request.headers).filter(
            (header): header is [string, string] => header[0] === "content-length" && header[1] !== undefined,
          ),
        ),
        answerHeaders: { "x-answered": "1" },
        refuse: (error) => {
          refused.push(error);
          response.writeHead(error.status).end(error.code);
        },
        ...(bodyPauseMs === undefined ? {} : { bodyPauseMs }),
      }).then(() => (state.done += 1));
    }, lagMs);
  });
  const port = await listening(gateway);
  context.after(async () => {
    gateway.closeAllConnections();
    replica.closeAllConnections();
    gateway.close();
    replica.close();
    await upstream.dispatcher.destroy();
  });
  return { port, seen, refused, upstream, state };
}

test("a caller who left before the call began leaves nothing in flight", async (context) => {
  const { port, upstream, state, seen } = await pipeline(context, { lagMs: 150 });
  for (const head of [
    "Content-Length: 2\r\n\r\n{}",
    "Content-Length: 1000\r\n\r\n{",
    "Transfer-Encoding: chunked\r\n\r\n",
  ]) {
    const before = state.done;
    const socket = connect(port, "127.0.0.1", () => {
      socket.write(`POST / HTTP/1.1\r\nHost: x\r\n${head}`);
      setTimeout(() => socket.destroy(), 50);
    });
    await until("the call is over", () => state.done > before);
    assert.equal(upstream.inFlightCount, 0);
  }
  assert.deepEqual(seen, []);
});

test("a replica meets a small body only when it is whole, and never one that stops coming", async (context) => {
  const { port, upstream, state, seen, refused } = await pipeline(context, { bodyPauseMs: 200 });
  const socket = connect(port, "127.0.0.1");
  let answer = "";
  socket.on("data", (chunk: Buffer) => (answer += chunk.toString()));
  socket.write(`POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{`);
  await until("it is refused", () => state.done === 1);
  await until("it is told", () => answer.includes("timeout"));
  assert.equal(refused[0]?.code, "timeout");
  assert.equal(upstream.inFlightCount, 0);
  assert.deepEqual(seen, []);
  socket.destroy();
});

test("a large body that stops coming is given up, too", async (context) => {
  const { port, upstream, state, refused } = await pipeline(context, { bodyPauseMs: 200 });
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => {});
  socket.write(`POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n`);
  await until("it is refused", () => state.done === 1);
  assert.equal(refused[0]?.code, "timeout");
  assert.equal(upstream.inFlightCount, 0);
  socket.destroy();
});

test("bodies of every size and form arrive whole", async (context) => {
  const { port, seen } = await pipeline(context);
  for (const [length, chunked] of [
    [0, false],
    [10, false],
    [65_536, false],
    [65_537, false],
    [300_000, false],
    [10, true],
    [300_000, true],
  ] as const) {
    const text = await new Promise<string>((resolve, reject) => {
      const outgoing = httpRequest(
        { port, method: "POST", headers: chunked ? {} : { "content-length": length } },
        (response) => {
          assert.equal(response.headers["x-answered"], "1");
          let body = "";
          response.on("data", (chunk: Buffer) => (body += chunk.toString()));
          response.on("end", () => resolve(body));
        },
      );
      outgoing.on("error", reject);
      if (chunked) outgoing.write("x".repeat(length - 1));
      outgoing.end("x".repeat(chunked ? 1 : length));
    });
    assert.equal(text, `got ${length}`);
    assert.equal(seen.at(-1), "x".repeat(length));
  }
});
