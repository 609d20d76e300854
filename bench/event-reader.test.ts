import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { createEventReader } from "./event-reader.ts";
import { corralWire } from "./wires/corral.ts";
import { llamaServerWire } from "./wires/llama-server.ts";

const ours = [
  ": ping",
  'event: token\ndata: {"sequence":0,"text":"a","ids":[7,8]}',
  'event: done\ndata: {"usage":{"prompt_tokens":3,"cached_tokens":1,"generated_tokens":2}}',
];
const theirs = [
  'data: {"index":0,"content":"","tokens":[],"stop":false}',
  'data: {"index":0,"content":"a","tokens":[7],"stop":false}',
  'data: {"stop":true,"tokens":[],"tokens_predicted":1,"tokens_evaluated":3,"timings":{"cache_n":2}}',
];

test("events are whole however the stream was cut", () => {
  const text = `${ours.join("\n\n")}\n\n`;
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 40 })), (lengths) => {
      const events: [string, unknown][] = [];
      const read = createEventReader((name, data) => events.push([name, data]));
      let at = 0;
      for (const length of [...lengths, text.length]) {
        read(text.slice(at, at + length));
        at += length;
      }
      assert.deepEqual(
        events.map(([name]) => name),
        ["token", "done"],
      );
    }),
  );
});

test("both servers' events tell tokens, counts and errors", () => {
  const readAll = (wire: typeof corralWire, frames: readonly string[]) => {
    const events: ReturnType<typeof wire.read>[] = [];
    const read = createEventReader((name, data) => events.push(wire.read(name, data)));
    for (const frame of frames) read(`${frame}\n\n`);
    return events;
  };
  const end = { promptTokens: 3, cachedTokens: 1, generatedTokens: 2 };
  assert.deepEqual(readAll(corralWire, ours), [
    { ids: [7, 8], end: null, error: null },
    { ids: [], end, error: null },
  ]);
  assert.deepEqual(readAll(llamaServerWire, theirs), [
    { ids: [], end: null, error: null },
    { ids: [7], end: null, error: null },
    { ids: [], end: { promptTokens: 3, cachedTokens: 2, generatedTokens: 1 }, error: null },
  ]);
  assert.match(readAll(corralWire, ['event: error\ndata: {"error":{"code":"x"}}'])[0]!.error!, /"x"/);
  assert.match(readAll(llamaServerWire, ['data: {"error":{"message":"full"}}'])[0]!.error!, /full/);
});

test("both are asked for the same work", () => {
  const call = { ids: [5, 6], newTokenCount: 9, sampleCount: 4, sampling: "warped" } as const;
  const [one, other] = [corralWire.body(call), llamaServerWire.body(call)];
  assert.deepEqual(one["input_ids"], other["prompt"]);
  assert.equal(one["max_new_tokens"], other["n_predict"]);
  assert.equal(one["num_return_sequences"], other["n_cmpl"]);
  for (const name of ["temperature", "top_k", "top_p", "seed"]) assert.equal(one[name], other[name], name);
  assert.equal(one["repetition_penalty"], other["repeat_penalty"]);
});
