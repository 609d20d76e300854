// What goes wrong in a Python worker and must cost one call only, and what is no failure although it takes long.

import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { test } from "node:test";
import { loadModel, skipWithoutPython as skip, textOf } from "./testing/python-model.ts";

test(
  "what cannot be put on the wire fails its call alone: statuses, headers, details, errors that cannot be read",
  { skip },
  async (t) => {
    const worker = await loadModel(
      t,
      `
import asyncio, sys, types
fastapi = types.ModuleType("fastapi"); exceptions = types.ModuleType("fastapi.exceptions")
class HTTPException(Exception):
    def __init__(self, status_code, detail): self.status_code, self.detail = status_code, detail
exceptions.HTTPException = HTTPException
sys.modules["fastapi"], sys.modules["fastapi.exceptions"] = fastapi, exceptions
responses = types.ModuleType("starlette.responses"); starlette = types.ModuleType("starlette")
class Response:
    def __init__(self, status, header): self.status, self.header = status, header
    async def __call__(self, scope, receive, send):
        await send({"type": "http.response.start", "status": self.status, "headers": [(b"x-mine", self.header)]})
        await send({"type": "http.response.body", "body": b"x"})
responses.Response = Response
sys.modules["starlette"], sys.modules["starlette.responses"] = starlette, responses
class Unreadable(Exception):
    def __str__(self): raise ValueError("no text")
class Model:
    async def predict(self, what):
        if what == "status": raise HTTPException(600, "x")
        if what == "word": raise HTTPException("x", "x")
        if what == "nan": raise HTTPException(400, float("nan"))
        if what == "long": raise HTTPException(400, "x" * 2_000_000)
        if what == "unreadable": raise Unreadable()
        if what == "canceled": raise asyncio.CancelledError()
        if what == "response": return Response(99, b"")
        if what == "header": return Response(200, b"a\\nb")
        if what == "stream": return self.pieces()
        return "fine"
    async def pieces(self):
        yield "one"
        raise asyncio.CancelledError()
`,
    );
    for (const what of ["status", "word", "long", "unreadable", "canceled", "response", "header", "stream"]) {
      const { error } = await worker.call("predict", what).done;
      assert.equal(error?.reason, "exception", what);
    }
    const { error } = await worker.call("predict", "nan").done;
    assert.deepEqual([error?.reason, error?.status, error?.detail], ["http", 400, null]);
    assert.equal(textOf(await worker.call("predict", "").done), `"fine"`);
  },
);

test("a stream is not cut while its reader takes nothing, however long that is", { skip }, async (t) => {
  const worker = await loadModel(
    t,
    `
import time
class Model:
    def predict(self, count):
        for i in range(count):
            yield str(i)
            time.sleep(0.02)
`,
    { config: { runtime: { streaming_read_timeout: 0.2 } } },
  );
  const call = worker.call("predict", 40);
  while (!worker.messages.some(({ kind }) => kind === "chunk")) await sleep(5);
  worker.send({ kind: "pause", id: call.id });
  await sleep(600);
  worker.send({ kind: "resume", id: call.id });
  const answer = await call.done;
  assert.equal(answer.error, null);
  assert.equal(answer.pieces.length, 40);
});
