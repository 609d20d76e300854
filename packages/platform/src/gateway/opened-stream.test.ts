import assert from "node:assert/strict";
import { test } from "node:test";
import { asksForEvents } from "./opened-stream.ts";

test("a call asks for events as its family's replica understands it", () => {
  const body = (value: unknown) => Buffer.from(JSON.stringify(value));
  const events = "application/json, Text/Event-Stream";
  assert.equal(asksForEvents("corral", undefined, body({ stream: true })), true);
  assert.equal(asksForEvents("openai", undefined, body({ stream: true })), true);
  assert.equal(asksForEvents("baseten", undefined, body({ stream: true })), false);
  assert.equal(asksForEvents("baseten", events, body({ stream: true })), true);
  assert.equal(asksForEvents("cerebrium", events, body({ stream: true })), false);
  for (const other of [{}, { stream: false }, { stream: "true" }, [], null, 1])
    assert.equal(asksForEvents("corral", events, body(other)), false, JSON.stringify(other));
  assert.equal(asksForEvents("corral", events, Buffer.from("{oops")), false);
});
