import assert from "node:assert/strict";
import type { LookupAddress } from "node:dns";
import { test, type TestContext } from "node:test";
import { readEgressRules } from "@corral/weights";
import { startReceiver } from "../webhook/testing/receiver.ts";
import { createEgress, type EgressOptions } from "./post.ts";

async function start(t: TestContext, allowed: string, more: Partial<EgressOptions> = {}) {
  const receiver = await startReceiver();
  const egress = createEgress({ rules: readEgressRules(allowed), now: () => 0, timeoutMs: 300, ...more });
  t.after(async () => {
    await egress[Symbol.asyncDispose]();
    await receiver[Symbol.asyncDispose]();
  });
  const post = (url: string, signal?: AbortSignal) =>
    egress.post(url, { "x-mine": "1" }, Buffer.from("body"), signal);
  return { receiver, post };
}

const four = (address: string): LookupAddress => ({ address, family: 4 });

test("body and headers arrive as they are, and the beginning of the answer is kept without control characters", async (t) => {
  const { receiver, post } = await start(t, "127.0.0.1");
  receiver.answer = (response) =>
    response.writeHead(503, { "retry-after": "7" }).end(`a\u0000\u001b[31m b${"c".repeat(5_000)}`);
  const outcome = await post(`${receiver.url}/hook?a=b#c`);
  assert.equal(outcome.kind, "answered");
  assert.ok(outcome.kind === "answered" && outcome.excerpt.length < 1_024);
  assert.match(outcome.excerpt, /^a \[31m bccc/);
  assert.equal(outcome.status, 503);
  assert.equal(outcome.retryAfterMs, 7_000);
  const [got] = receiver.received;
  assert.equal(got?.body, "body");
  assert.equal(got.path, "/hook?a=b");
  assert.equal(got.headers["x-mine"], "1");
});

test("a receiver that is silent, drips, breaks off or is not there costs the time limit at most", async (t) => {
  const { receiver, post } = await start(t, "127.0.0.1");
  receiver.answer = () => {};
  assert.deepEqual(await post(receiver.url), { kind: "failed", reason: "No answer came within 0.3 s." });
  receiver.answer = (response) => void response.writeHead(200).write("drip");
  const drips = await post(receiver.url);
  assert.deepEqual(drips, { kind: "answered", status: 200, retryAfterMs: null, excerpt: "drip" });
  receiver.answer = (response) => response.destroy();
  assert.equal((await post(receiver.url)).kind, "failed");
  await receiver[Symbol.asyncDispose]();
  const gone = await post(receiver.url);
  assert.match(gone.kind === "failed" ? gone.reason : "", /^No answer came: .*ECONNREFUSED/);
});

test("of an answer without end only the beginning is read, and headers without end are given up", async (t) => {
  const { receiver, post } = await start(t, "127.0.0.1", { timeoutMs: 5_000 });
  let sentBytes = 0;
  receiver.answer = (response) => {
    response.writeHead(200, { "content-length": String(10 * 1024 ** 3) });
    const chunk = Buffer.alloc(64 * 1024, "x");
    const go = () => {
      while (!response.destroyed && response.write(chunk)) sentBytes += chunk.length;
      sentBytes += chunk.length;
      if (!response.destroyed) response.once("drain", go);
    };
    go();
  };
  const outcome = await post(receiver.url);
  assert.equal(outcome.kind === "answered" && outcome.excerpt.length, 1_024);
  assert.ok(sentBytes < 64 * 1024 ** 2, `${sentBytes} bytes were sent`);
  receiver.answer = (response) => response.writeHead(200, { "x-long": "y".repeat(20_000) }).end();
  assert.equal((await post(receiver.url)).kind, "failed");
});

test("a redirect is an answer, and is not followed", async (t) => {
  const { receiver, post } = await start(t, "127.0.0.1");
  receiver.answer = (response) => response.writeHead(307, { location: `${receiver.url}/inside` }).end();
  const outcome = await post(receiver.url);
  assert.equal(outcome.kind === "answered" && outcome.status, 307);
  assert.equal(receiver.received.length, 1);
});

test("inner addresses are refused before a connection is made, by number and by name", async (t) => {
  const resolve = async (name: string) => {
    if (name === "mixed.example") return [four("93.184.216.34"), four("127.0.0.1")];
    if (name === "none.example") return [];
    return [four("127.0.0.1")];
  };
  const { receiver, post } = await start(t, "", { resolve });
  const inner = [
    "127.0.0.1",
    "2130706433",
    "[::ffff:127.0.0.1]",
    "localhost",
    "inner.example",
    "mixed.example",
  ];
  for (const host of inner) {
    const outcome = await post(`http://${host}:${receiver.port}/`);
    assert.match(
      outcome.kind === "refused" ? outcome.problem : "",
      /no public address.*CORRAL_EGRESS_ALLOW/,
      host,
    );
  }
  assert.equal((await post(`http://user:password@8.8.8.8/`)).kind, "refused");
  assert.equal((await post(`http://none.example:${receiver.port}/`)).kind, "failed");
  assert.equal(receiver.received.length, 0);
});

test("a name that turns inward after it was checked leads nowhere: what is checked is what is connected to", async (t) => {
  let askedCount = 0;
  const rebinding = async () => {
    askedCount += 1;
    // Reserved for documentation, and allowed below: nobody is there.
    return [four(askedCount === 1 ? "192.0.2.1" : "127.0.0.1")];
  };
  const { receiver, post } = await start(t, "192.0.2.0/24", { resolve: rebinding });
  const url = `http://rebind.example:${receiver.port}/`;
  assert.equal((await post(url)).kind, "failed");
  assert.equal(askedCount, 1);
  assert.equal((await post(url)).kind, "refused");
  assert.equal(askedCount, 2);
  assert.equal(receiver.received.length, 0);
});

test("a name that the operator lists is reached wherever it is, and the receiver sees the name", async (t) => {
  const { receiver, post } = await start(t, "hooks.inside", { resolve: async () => [four("127.0.0.1")] });
  const outcome = await post(`http://hooks.inside:${receiver.port}/`);
  assert.equal(outcome.kind === "answered" && outcome.status, 200);
  assert.equal(receiver.received[0]?.headers.host, `hooks.inside:${receiver.port}`);
});

test("who gives up is not waited for", async (t) => {
  const { receiver, post } = await start(t, "127.0.0.1", { timeoutMs: 60_000 });
  const stop = new AbortController();
  receiver.answer = () => stop.abort(new Error("enough"));
  const outcome = await post(receiver.url, stop.signal);
  assert.match(outcome.kind === "failed" ? outcome.reason : "", /enough/);
});
