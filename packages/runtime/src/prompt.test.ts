import assert from "node:assert/strict";
import { test } from "node:test";
import { createByteTokenizer, byteTokenIds } from "@corral/engine/testing";
import { parseChatTemplate } from "./chat-template.ts";
import { mostMessages, preparePrompt, type PromptModel, type PromptSource } from "./prompt.ts";
import { fakeChatTemplate } from "./testing/fake-loaded-model.ts";

const model: PromptModel = {
  vocabulary: createByteTokenizer(),
  chatTemplate: parseChatTemplate(fakeChatTemplate, { bos_token: "<bos>" }),
  contextLength: 256,
};
const prepare = (source: PromptSource, changes: Partial<PromptModel> = {}) =>
  preparePrompt({ ...model, ...changes }, source);
const { bos, header } = byteTokenIds;
const bytes = (text: string) => [...new TextEncoder().encode(text)];

test("a raw prompt begins with one BOS token, also where it writes one itself", () => {
  assert.deepEqual(prepare({ kind: "text", text: "ab" }).ids, [bos, 97, 98]);
  for (const text of ["<bos>ab", "<bos><bos>ab"]) {
    const { ids, warnings } = prepare({ kind: "text", text });
    assert.deepEqual(ids, [bos, 97, 98], text);
    assert.match(warnings.join(), /exactly one/);
  }
  assert.deepEqual(prepare({ kind: "text", text: "<bos>" }).ids, [bos]);
  assert.deepEqual(
    prepare({ kind: "text", text: "a<bos>b" }).ids,
    [bos, 97, bos, 98],
    "one further on stays",
  );
});

test("a tokenizer that adds no BOS token leaves a prompt as it is written", () => {
  const tokenize: typeof model.vocabulary.tokenize = (text, options) =>
    model.vocabulary.tokenize(text, { ...options, addSpecialTokens: false });
  const vocabulary = { ...model.vocabulary, tokenize };
  assert.deepEqual(prepare({ kind: "text", text: "ab" }, { vocabulary }).ids, [97, 98]);
  assert.deepEqual(prepare({ kind: "text", text: "<bos><bos>a" }, { vocabulary }).ids, [bos, bos, 97]);
});

test("an empty prompt generates from the BOS token alone", () => {
  assert.deepEqual(prepare({ kind: "text", text: "" }).ids, [bos]);
});

test("the text of special tokens in a raw prompt is those tokens, as in Hugging Face", () => {
  assert.deepEqual(prepare({ kind: "text", text: "a<header>" }).ids, [bos, 97, header]);
});

test("messages go through the template and have one BOS token", () => {
  const { ids } = prepare({ kind: "messages", messages: [{ role: "user", content: "Hi" }] });
  assert.deepEqual(ids, [bos, header, ...bytes("user\nHi"), header, ...bytes("assistant\n")]);
});

test("however often a template writes the BOS token, messages have it once", () => {
  const source = (content: string): PromptSource => ({
    kind: "messages",
    messages: [{ role: "user", content }],
  });
  for (const start of ["", "{{ bos_token }}{{ bos_token }}"]) {
    const template = `${start}{% for message in messages %}{{ message.content }}{% endfor %}`;
    const chatTemplate = parseChatTemplate(template, { bos_token: "<bos>" });
    const own = prepare(source("Hi"), { chatTemplate });
    assert.deepEqual(
      [own.ids, own.warnings],
      [[bos, ...bytes("Hi")], []],
      "the template's own is no warning",
    );
    const callers = prepare(source("<bos><bos>Hi"), { chatTemplate });
    assert.deepEqual(callers.ids, [bos, ...bytes("Hi")]);
    assert.equal(callers.warnings.length, 1);
  }
});

test("a final message of the assistant is continued", () => {
  const prompt = prepare({
    kind: "messages",
    messages: [
      { role: "user", content: "Hi" },
      { role: "assistant", content: "He" },
    ],
  });
  assert.equal(prompt.continuesFinalMessage, true);
  assert.deepEqual(prompt.ids.slice(-2), bytes("He"));
});

test("ids are used as they are, and one outside the vocabulary is named", () => {
  for (const ids of [
    [1, 2],
    [bos, bos, 1],
  ])
    assert.deepEqual(prepare({ kind: "ids", ids }).ids, ids);
  assert.throws(() => prepare({ kind: "ids", ids: [1, 260] }), /input_ids\[1\] is 260.*\[0, 260\)/);
});

test("a model without a template refuses messages and says what to send", () => {
  const source: PromptSource = { kind: "messages", messages: [{ role: "user", content: "Hi" }] };
  assert.throws(() => prepare(source, { chatTemplate: null }), { code: "no_chat_template" });
});

test("lone surrogates and NUL characters do not break the tokenizer", () => {
  assert.deepEqual(prepare({ kind: "text", text: "\ud800\0" }).ids, [bos, 0xef, 0xbf, 0xbd, 0]);
});

test("a text that cannot fit is refused with both numbers before it is tokenized", () => {
  const text = "x".repeat(1_000_000);
  const vocabulary = { ...model.vocabulary, tokenize: () => assert.fail("it was tokenized") };
  assert.throws(
    () => prepare({ kind: "text", text }, { vocabulary }),
    (error: Error & { code: string }) => {
      assert.equal(error.code, "prompt_too_long");
      assert.match(error.message, /1000000.*256/);
      return true;
    },
  );
});

test("characters that no token joins are counted before a text is tokenized", () => {
  const counts: number[] = [];
  const tokenize: typeof model.vocabulary.tokenize = (text) =>
    Array.from(text, (_, index) => counts.push(index) % 2);
  const vocabulary = { ...model.vocabulary, tokenize, bytesOf: bytesOfLongVocabulary };
  const refused = { code: "prompt_too_long", message: /20000 characters, at least 10000 tokens.*256/ };
  assert.throws(() => prepare({ kind: "text", text: "é\0".repeat(10_000) }, { vocabulary }), refused);
  assert.equal(counts.length, 0);
  // Both characters of this one are in longer tokens, as is the sign that SentencePiece writes for a space.
  const text = "a\u2581".repeat(10_000);
  assert.equal(prepare({ kind: "text", text }, { vocabulary }).ids.length, 20_000);
});

/** Token 0 joins "a" and spaces, to the length of 1,000 bytes, and NUL has a token with another character. */
function bytesOfLongVocabulary(id: number): Uint8Array {
  return new TextEncoder().encode(id === 0 ? "a ".repeat(500) : id === 1 ? "\0b" : "é");
}

const untouched = { mentions: () => true, readsContentParts: true, renderWithin: () => assert.fail() };

test("messages that cannot fit are refused before they are rendered, their roles counted", () => {
  const chatTemplate = { ...untouched, render: () => assert.fail("it was rendered") };
  const source: PromptSource = {
    kind: "messages",
    messages: [{ role: "x".repeat(1_000_000), content: "Hi" }],
  };
  const refused = { code: "prompt_too_long", message: /1000002 characters.*256/ };
  assert.throws(() => prepare(source, { chatTemplate }), refused);
});

test("what a template makes of messages is bounded like a prompt", () => {
  const vocabulary = { ...model.vocabulary, tokenize: () => assert.fail("it was tokenized") };
  const chatTemplate = { ...untouched, render: () => "x".repeat(1_000_000) };
  const source: PromptSource = { kind: "messages", messages: [{ role: "user", content: "Hi" }] };
  assert.throws(() => prepare(source, { vocabulary, chatTemplate }), { code: "prompt_too_long" });
});

test("more messages than can be rendered in passing are refused", () => {
  const messages = Array.from({ length: mostMessages + 1 }, () => ({ role: "user", content: "" }));
  assert.throws(() => prepare({ kind: "messages", messages }), { code: "invalid_chat" });
});
