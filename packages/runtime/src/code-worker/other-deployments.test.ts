// What code asks of other deployments, from the code's words to the platform's entry, which the test plays.

import assert from "node:assert/strict";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { join } from "node:path";
import { test } from "node:test";
import { startTestBundle } from "../testing/start-test-bundle.ts";
import { createTestPlace } from "../testing/test-config.ts";
import { anyPython } from "./python/testing/python-worker.ts";

const noPython = (await anyPython()) === null ? "there is no Python from 3.9 on" : false;

interface Asked {
  readonly url: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: unknown;
}

async function startEntry(answer: (asked: Asked, response: ServerResponse) => void) {
  const place = createTestPlace();
  const path = join(place.directory, "calls.sock");
  const asked: Asked[] = [];
  const left = Promise.withResolvers<void>();
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    response.once("close", () => response.writableFinished || left.resolve());
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const one = {
        url: request.url ?? "",
        headers: request.headers,
        body: JSON.parse(Buffer.concat(chunks).toString()) as unknown,
      };
      asked.push(one);
      answer(one, response);
    });
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return {
    asked,
    /** A caller has gone before its answer. */
    left: left.promise,
    config: { platform: { address: `unix:${path}`, token: "t" } },
    [Symbol.dispose]() {
      server.closeAllConnections();
      server.close();
      place.remove();
    },
  };
}

const json = (response: ServerResponse, body: unknown, status = 200) =>
  void response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));

test("TypeScript calls another deployment by name, for its own run and one deeper", async () => {
  using entry = await startEntry((_, response) => json(response, { run_id: "r", result: { said: 1 } }));
  await using replica = await startTestBundle({
    files: {
      "model/model.ts": `
        import { llm } from "@corral/model";
        export const load = async () => { await llm.of("a b").predict(null); };
        export const predict = (input: unknown) => llm.of("other").predict(input);`,
    },
    config: entry.config,
  });
  const answer = await replica.call({ body: [1, 2], headers: { "x-corral-depth": "2" } });
  assert.deepEqual(answer.json.result, { said: 1 });
  const [loading, calling] = entry.asked;
  assert.deepEqual([loading?.url, loading?.body], ["/calls/predict?deployment=a%20b", null]);
  assert.equal(loading?.headers["x-corral-run-id"], undefined, "load is no run's");
  assert.deepEqual([calling?.url, calling?.body], ["/calls/predict?deployment=other", [1, 2]]);
  assert.equal(calling?.headers["x-corral-run-id"], answer.runId);
  assert.equal(calling?.headers["x-corral-depth"], "2");
  assert.equal(calling?.headers.authorization, "Bearer t");
});

const events = 'event: token\ndata: {"text":"a"}\n\n: ping\n\nevent: token\ndata: {"text":"b"}\n\n';
const streaming = `
  import { llm } from "@corral/model";
  export async function predict() {
    const pieces = [];
    for await (const { text, done } of llm.of("other").stream({ prompt: "x" }))
      pieces.push(done === undefined ? text : done.run_id);
    return pieces;
  }`;

test("a stream passes piece by piece, and one that breaks off is an error with its code", async () => {
  let ending = 'event: done\ndata: {"run_id":"r1"}\n\n';
  using entry = await startEntry((_, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write(events.slice(0, 20));
    setTimeout(() => response.end(events.slice(20) + ending), 20);
  });
  await using replica = await startTestBundle({
    files: { "model/model.ts": streaming },
    config: entry.config,
  });
  assert.deepEqual((await replica.call({ body: {} })).json.result, ["a", "b", "r1"]);
  assert.deepEqual(entry.asked[0]?.body, { stream: true, prompt: "x" });
  ending = 'event: error\ndata: {"error":{"code":"out_of_cells","detail":"The cache is full."}}\n\n';
  assert.equal((await replica.call({ body: {} })).json.code, "code_failed");
  ending = "";
  assert.equal((await replica.call({ body: {} })).json.code, "code_failed");
});

test("a refusal has the other side's code, words and fields", async () => {
  using entry = await startEntry((_, response) =>
    json(
      response,
      {
        code: "unknown_parameter",
        detail: "No such field.",
        errors: [{ pointer: "/x", code: "unknown_parameter", message: "No x." }],
      },
      422,
    ),
  );
  await using replica = await startTestBundle({
    files: {
      "model/model.ts": `
        import { llm } from "@corral/model";
        export async function predict() {
          try { await llm.of("other").generate({ x: 1 }); }
          catch (error: any) { return [error.code, error.message, error.errors[0].pointer]; }
        }`,
    },
    config: entry.config,
  });
  assert.deepEqual((await replica.call({ body: {} })).json.result, [
    "unknown_parameter",
    "No such field.",
    "/x",
  ]);
});

test("a caller that leaves ends the other deployment's call as well", async () => {
  using entry = await startEntry(() => {});
  await using replica = await startTestBundle({
    files: {
      "model/model.ts": `
        import { llm } from "@corral/model";
        export const predict = () => llm.of("other").generate({ prompt: "x" });`,
    },
    config: entry.config,
  });
  const call = replica.open({ body: {} });
  call.request.on("error", () => {});
  await replica.platform.until("started", call.runId);
  while (entry.asked.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  call.request.destroy();
  await entry.left;
  assert.equal((await replica.platform.until("finished", call.runId)).status, "canceled");
});

test("Python calls another deployment with deployment=", { skip: noPython }, async () => {
  using entry = await startEntry(({ url }, response) => {
    if (!url.includes("/stream?")) return json(response, { run_id: "r", result: { url } });
    response.writeHead(200, { "content-type": "application/octet-stream" });
    response.end("raw text");
  });
  await using replica = await startTestBundle({
    files: {
      "model/model.py": `
from corral import llm
class Model:
    async def predict(self, model_input):
        texts = [text async for text in llm.aio.stream("x", deployment="coded")]
        said = await llm.aio.predict(model_input, deployment="other")
        return [texts, said, (await llm.aio.generate("p", deployment="other", top_k=2))["result"]]
`,
    },
    code: { kind: "python" },
    config: entry.config,
  });
  const answer = await replica.call({ body: { a: 1 } });
  assert.deepEqual(answer.json.result, [
    ["raw text"],
    { url: "/calls/predict?deployment=other" },
    { url: "/calls/generate?deployment=other" },
  ]);
  assert.deepEqual(
    entry.asked.map(({ body }) => body),
    [{ stream: true, prompt: "x" }, { a: 1 }, { prompt: "p", top_k: 2 }],
  );
});
