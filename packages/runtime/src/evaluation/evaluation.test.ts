// Scores and embeddings through a replica without weights: what is answered, reported, capped and refused.

import { forwardedHeaders } from "@corral/contract";
import { hashedLogits } from "@corral/engine/testing";
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { createFakeLoadedModel } from "../testing/fake-loaded-model.ts";
import { startTestReplica } from "../testing/start-test-replica.ts";

const bos = 256;

test("a text is scored from its second token on, and the run's record keeps what was answered", async () => {
  await using t = await startTestReplica();
  const { status, json, runId } = await t.call({ path: "/score", body: { prompt: "né", top_n: 2 } });
  assert.equal(status, 200);
  const { run_id, run_time_ms, usage, warnings, ...output } = json;
  assert.deepEqual(
    [run_id, usage, warnings],
    [runId, { prompt_tokens: 4, cached_tokens: 0, generated_tokens: 0 }, []],
  );
  assert.ok(run_time_ms >= 0);
  assert.deepEqual(output.ids, [bos, 110, 0xc3, 0xa9]);
  assert.deepEqual(output.tokens, ["<bos>", "n", "\ufffd", "\ufffd"], "bytes alone are no characters");
  assert.equal(output.logprobs[0], null);
  assert.equal(output.top[0], null);
  assert.deepEqual([output.logprobs.length, output.top.length, output.top[1].length], [4, 4, 2]);
  assert.equal(output.top[1][0].id, 98, "the fake model spells the alphabet");
  const [, ...scores] = output.logprobs as [null, ...number[]];
  assert.ok(Math.abs(output.total_logprob - scores.reduce((sum, value) => sum + value, 0)) < 1e-5);
  const finished = await t.platform.until("finished", runId);
  assert.deepEqual([finished.status, finished.output, finished.finish_reasons], ["succeeded", output, []]);
  assert.deepEqual(finished.usage, usage);
});

test("messages and ids are scored as generate is given them, and alternatives only come when asked for", async () => {
  await using t = await startTestReplica();
  const messages = [{ role: "user", content: "Hi" }];
  const chat = await t.call({ path: "/score", body: { messages } });
  assert.equal(chat.json.tokens.join(""), "<bos><header>user\nHi<header>assistant\n");
  assert.equal("top" in chat.json, false);
  const ids = await t.call({ path: "/score", body: { input_ids: chat.json.ids } });
  assert.deepEqual(ids.json.logprobs, chat.json.logprobs);
  const bare = await t.call({ path: "/score", body: { prompt: "Hi", add_special_tokens: false } });
  assert.deepEqual(bare.json.ids, [72, 105]);
});

test("texts and ids become vectors in their order, however many there are", async () => {
  await using t = await startTestReplica({ config: { limits: { queue_length: 1 } } });
  const one = await t.call({ path: "/embeddings", body: { input: "Hi", pooling: "last", normalize: false } });
  const expected = [...hashedLogits([bos, 72, 105], 8)];
  assert.deepEqual(one.json.embeddings[0].map(Math.fround), expected, "every digit of a float32");
  const ids = await t.call({
    path: "/embeddings",
    body: { input: [bos, 72, 105], pooling: "last", normalize: false },
  });
  assert.deepEqual(ids.json.embeddings, one.json.embeddings);
  const texts = Array.from({ length: 128 }, (_, index) => "x".repeat(1 + (index % 20)));
  const { json } = await t.call({ path: "/embeddings", body: { input: [...texts.slice(1), [bos, 120]] } });
  assert.equal(json.embeddings.length, 128, "a call has one place in the queue");
  assert.deepEqual(json.embeddings[127], json.embeddings[19]);
  assert.deepEqual(json.embeddings[0], json.embeddings[20]);
  assert.notDeepEqual(json.embeddings[0], json.embeddings[1]);
  for (const vector of json.embeddings) assert.ok(Math.abs(Math.hypot(...vector) - 1) < 1e-6);
  const tokenCount = texts.slice(1).reduce((sum, text) => sum + text.length + 1, 2);
  assert.equal(json.usage.prompt_tokens, tokenCount);
});

test("a caller who leaves takes all texts along", async () => {
  const model = createFakeLoadedModel({ beforeDecode: () => sleep(30) });
  await using t = await startTestReplica({ model });
  const open = t.open({
    path: "/embeddings",
    body: { input: Array.from({ length: 128 }, () => "some text") },
  });
  await t.platform.until("started", open.runId);
  await sleep(20);
  open.request.destroy();
  open.response.catch(() => {});
  const { status, error, usage } = await t.platform.until("finished", open.runId);
  assert.deepEqual([status, error?.code], ["canceled", "client_closed"]);
  assert.ok(usage.prompt_tokens < 128 * 10, `${usage.prompt_tokens} tokens: not all of them were begun`);
  const again = await t.call({ path: "/score", body: { prompt: "Hi" } });
  assert.equal(again.status, 200);
});

test("a key's cap counts the tokens of all texts, and a full queue is told at once", async () => {
  const model = createFakeLoadedModel({ slotCount: 1, beforeDecode: () => sleep(20) });
  await using t = await startTestReplica({ model, config: { limits: { queue_length: 1 } } });
  const headers = { [forwardedHeaders.key]: "key-1", [forwardedHeaders.tokenCap]: "10" };
  const over = await t.call({ path: "/embeddings", body: { input: ["12345", "12345"] }, headers });
  assert.equal(over.status, 422);
  assert.match(over.json.detail, /12 tokens .*texts.* 10/);
  const calls = [1, 2, 3].map(() => t.open({ path: "/score", body: { prompt: "a longer text" } }));
  const statuses = await Promise.all(calls.map(async ({ answer }) => (await answer).status));
  assert.ok(statuses.includes(429), statuses.join());
  assert.ok(statuses.includes(200), statuses.join());
});

const refused: readonly [
  name: string,
  path: string,
  body: unknown,
  pointers: readonly string[],
  message?: RegExp,
][] = [
  ["no text", "/embeddings", {}, ["/input"], /missing/],
  ["an empty text", "/embeddings", { input: "" }, ["/input"], /empty text/],
  ["an empty list", "/embeddings", { input: [] }, ["/input"]],
  [
    "empty and odd texts in a list",
    "/embeddings",
    { input: ["a", "", [], 7] },
    ["/input/1", "/input/2", "/input/3"],
  ],
  [
    "too many texts",
    "/embeddings",
    { input: Array.from({ length: 129 }, () => "a") },
    ["/input"],
    /129 .* 128/,
  ],
  ["an id that is none", "/embeddings", { input: [1, -1] }, ["/input/1"]],
  [
    "an id beyond the vocabulary",
    "/embeddings",
    { input: ["a", [260]] },
    ["/input/1/0"],
    /input\[1\]\[0\] is 260/,
  ],
  [
    "all bad fields at once",
    "/embeddings",
    { input: "a", pooling: "max", normalize: 1, normalise: true },
    ["/pooling", "/normalize", "/normalise"],
    /mean, last or cls.*Did you mean normalize/,
  ],
  [
    "special tokens added to ids",
    "/embeddings",
    { input: [1], add_special_tokens: false },
    ["/add_special_tokens"],
  ],
  ["a text beyond the context", "/embeddings", { input: ["a", "b".repeat(300)] }, ["/input/1"], /301 .* 256/],
  ["no prompt", "/score", {}, [""]],
  ["two prompts", "/score", { prompt: "a", input_ids: [1] }, ["/input_ids"]],
  [
    "top_n out of range, and a misspelled one",
    "/score",
    { prompt: "a", top_n: 21, topn: 3 },
    ["/top_n", "/topn"],
    /0 to 20/,
  ],
  ["a prompt beyond the context", "/score", { prompt: "b".repeat(300) }, ["/prompt"], /301 .* 256/],
  ["ids beyond the vocabulary", "/score", { input_ids: [[1, 999]] }, ["/input_ids/0/1"]],
  [
    "special tokens of messages",
    "/score",
    { messages: [{ role: "user", content: "a" }], add_special_tokens: true },
    ["/add_special_tokens"],
  ],
];

test("what is refused names every bad field", async () => {
  await using t = await startTestReplica();
  for (const [name, path, body, pointers, message] of refused) {
    const { status, json } = await t.call({ path, body });
    assert.equal(status, 422, name);
    assert.deepEqual(
      json.errors.map(({ pointer }: { pointer: string }) => pointer),
      pointers,
      name,
    );
    if (message !== undefined) assert.match(json.detail, message, name);
  }
});

test("only POST is answered, and only on paths that there are", async () => {
  await using t = await startTestReplica();
  const answer = await t.call({ path: "/toString", body: {} });
  assert.deepEqual([answer.status, answer.json.code], [404, "route_not_found"]);
});
