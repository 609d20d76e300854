// Tokenize, detokenize and render through a replica without weights: what is answered and refused, and that no run is made.

import assert from "node:assert/strict";
import { test } from "node:test";
import { byteTokenIds } from "@corral/engine/testing";
import { createFakeLoadedModel } from "../testing/fake-loaded-model.ts";
import { startTestReplica } from "../testing/start-test-replica.ts";

const { bos, header } = byteTokenIds;
const bytes = (text: string) => [...new TextEncoder().encode(text)];
const user = { role: "user", content: "Hi" };

test("texts become ids and ids texts, one or several at once", async () => {
  await using t = await startTestReplica();
  const answerTo = async (path: string, body: unknown) => {
    const { status, json } = await t.call({ path, body });
    assert.equal(status, 200, JSON.stringify(json));
    return json;
  };
  assert.deepEqual(await answerTo("/tokenize", { text: "né" }), { ids: [bos, ...bytes("né")] });
  assert.deepEqual(await answerTo("/tokenize", { text: "", add_special_tokens: false }), { ids: [] });
  assert.deepEqual(await answerTo("/tokenize", { text: ["a", "<header>"], add_special_tokens: false }), {
    ids: [[97], [header]],
  });
  const ids = [bos, ...bytes("né"), header];
  assert.deepEqual(await answerTo("/detokenize", { ids }), { text: "<bos>né<header>" });
  assert.deepEqual(await answerTo("/detokenize", { ids, skip_special_tokens: true }), { text: "né" });
  assert.deepEqual(await answerTo("/detokenize", { ids: [[97], [], [0xc3]] }), { text: ["a", "", "\ufffd"] });
  assert.deepEqual(await answerTo("/detokenize", { ids: [] }), { text: "" });
});

test("a prompt is rendered as generate would see it, and so is a conversation, with its options", async () => {
  await using t = await startTestReplica();
  const render = async (body: unknown) => (await t.call({ path: "/render", body })).json;
  assert.deepEqual(await render({ prompt: "Hi" }), { text: "Hi", ids: [bos, 72, 105] });
  const opened = "<bos><header>user\nHi<header>assistant\n";
  const ids = [bos, header, ...bytes("user\nHi"), header, ...bytes("assistant\n")];
  assert.deepEqual(await render({ messages: [user] }), { text: opened, ids });
  const closed = await render({ messages: [user], add_generation_prompt: false });
  assert.equal(closed.text, "<bos><header>user\nHi");
  const open = await render({ messages: [user, { role: "assistant", content: "He" }] });
  assert.equal(open.text, "<bos><header>user\nHi<header>assistant\nHe");
  const unread = await render({ messages: [user], tools: [{ type: "function" }] });
  assert.match(unread.warnings.join(), /tools/);
  const twice = await render({ prompt: "<bos>Hi" });
  assert.deepEqual([twice.ids, twice.warnings.length], [[bos, 72, 105], 1]);
});

const refused = [
  ["/tokenize", {}, ["/text"]],
  ["/tokenize", { text: 5 }, ["/text"]],
  ["/tokenize", { text: [] }, ["/text"]],
  ["/tokenize", { text: Array.from({ length: 129 }, () => "") }, ["/text"]],
  ["/tokenize", { text: "a\ud800b" }, ["/text"]],
  [
    "/tokenize",
    { text: ["a", "\udc00", 1], add_special_tokens: "yes" },
    ["/text/1", "/text/2", "/add_special_tokens"],
  ],
  ["/tokenize", { text: "a", add_special: true }, ["/add_special"]],
  ["/tokenize", { text: "x".repeat(1_000_000) }, ["/text"]],
  ["/detokenize", {}, ["/ids"]],
  ["/detokenize", { ids: "1" }, ["/ids"]],
  ["/detokenize", { ids: [1, 260] }, ["/ids/1"]],
  ["/detokenize", { ids: [1, -1] }, ["/ids/1"]],
  ["/detokenize", { ids: [1, 1.5] }, ["/ids/1"]],
  ["/detokenize", { ids: [[1], [2, null]] }, ["/ids/1/1"]],
  ["/detokenize", { ids: [1, [2]] }, ["/ids/1"]],
  ["/detokenize", { ids: [1], skip_special: true }, ["/skip_special"]],
  ["/render", {}, [""]],
  ["/render", { messages: [] }, ["/messages"]],
  ["/render", { messages: [user], prompt: "a" }, ["/prompt"]],
  ["/render", { messages: [{ role: "parrot", content: "Hi" }] }, ["/messages"]],
  [
    "/render",
    { prompt: "a", add_generation_prompt: true, max_new_tokens: 1 },
    ["/add_generation_prompt", "/max_new_tokens"],
  ],
  [
    "/render",
    { messages: [user], add_generation_prompt: true, continue_final_message: true },
    ["/continue_final_message"],
  ],
] as const;

test("what is no such call is refused with every field that is wrong, and no run is reported of any", async () => {
  await using t = await startTestReplica();
  for (const [path, body, pointers] of refused) {
    const { status, json } = await t.call({ path, body });
    const shown = `${path} ${JSON.stringify(body).slice(0, 100)}`;
    assert.equal(status, 422, shown);
    assert.deepEqual(
      (json.errors as { pointer: string }[]).map(({ pointer }) => pointer),
      [...pointers],
      shown,
    );
  }
  const { runId } = await t.call({ path: "/tokenize", body: { text: "a" } });
  const generated = await t.call({ path: "/predict", body: { prompt: "a", max_new_tokens: 1 } });
  await t.platform.until("finished", generated.runId);
  assert.ok(t.platform.reports.every((report) => !("run_id" in report) || report.run_id !== runId));
});

test("a template that would work for ever is given up in its thread, while other calls are answered", async () => {
  const chatTemplate =
    "{% if messages[0].content == 'loop' %}{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}{% endif %}{{ messages[0].content }}";
  await using t = await startTestReplica({ model: createFakeLoadedModel({ chatTemplate }) });
  const messages = [{ role: "user", content: "loop" }];
  const endless = ["/render", "/predict", "/score"].map((path) => t.call({ path, body: { messages } }));
  const short = await t.call({ path: "/render", body: { messages: [user] } });
  assert.equal(short.json.text, "Hi");
  for (const { status, json } of await Promise.all(endless)) {
    assert.deepEqual([status, json.code], [422, "invalid_chat"]);
    assert.match(json.detail, /steps/);
  }
});
