import assert from "node:assert/strict";
import { test } from "node:test";
import { prepareBody, refusedFields } from "./testing/prepare-body.ts";

const hole = { handle_long_generation: "hole" };
const ids = Array.from({ length: 30 }, (_, index) => index);

test("only who asks for a hole gets the prompt's beginning left out, and is told", () => {
  const small = { contextLength: 20 };
  const body = { input_ids: ids, max_new_tokens: 5 };
  assert.equal(refusedFields("corral", body, small)[0]?.code, "prompt_too_long");
  const { prompt, generation, warnings } = prepareBody("corral", { ...body, ...hole }, small);
  assert.deepEqual(prompt.ids, ids.slice(-15));
  assert.equal(generation.maxLength, 20);
  assert.match(warnings.join(), /first 15 of the prompt's 30 tokens/);
});

test("the new tokens come from max_new_tokens, from max_length, or are 20", () => {
  const keptOf = (body: object, generationConfig = {}) =>
    prepareBody("corral", { input_ids: ids, ...hole, ...body }, { contextLength: 35, generationConfig })
      .prompt.ids.length;
  assert.equal(keptOf({}), 15);
  assert.equal(keptOf({ max_new_tokens: 10 }), 25);
  assert.equal(keptOf({ max_length: 38 }), 27);
  assert.equal(keptOf({}, { max_new_tokens: 11 }), 24);
  assert.equal(keptOf({ max_new_tokens: 5 }), 30);
});

test("a hole that would leave nothing, or whose size cannot be told, is refused", () => {
  const pointersOf = (body: object) =>
    refusedFields("corral", { input_ids: ids, ...hole, ...body }, { contextLength: 20 }).map(
      ({ pointer }) => pointer,
    );
  assert.ok(pointersOf({ max_new_tokens: 20 }).includes("/handle_long_generation"));
  assert.ok(pointersOf({ max_length: 25 }).includes("/handle_long_generation"));
});

test("texts and chats far beyond the context are cut as well, within bounds", () => {
  const contextLength = 4_096;
  const text = "x".repeat(20_000);
  const { prompt } = prepareBody("corral", { prompt: text, max_new_tokens: 96, ...hole }, { contextLength });
  assert.equal(prompt.ids.length, 4_000);
  const chat = [{ role: "user", content: text }];
  const ofChat = prepareBody("corral", { messages: chat, max_new_tokens: 96, ...hole }, { contextLength });
  assert.equal(ofChat.prompt.ids.length, 4_000);
  const huge = { prompt: "x".repeat(300_000), max_new_tokens: 96, ...hole };
  assert.equal(refusedFields("corral", huge, { contextLength })[0]?.code, "prompt_too_long");
});

test("a prefix is given to the model and not echoed; lengths that count the prompt do not count it", () => {
  const base = { prompt: "Hi", prefix: "Oh: " };
  const byTotal = prepareBody("corral", { ...base, max_length: 20 });
  // BOS, "Oh: " and "Hi".
  assert.equal(byTotal.prompt.ids.length, 7);
  assert.equal(byTotal.generation.maxLength, 24);
  assert.equal(prepareBody("corral", { ...base, max_new_tokens: 5 }).generation.maxLength, 12);
  const byModel = prepareBody("corral", base, { generationConfig: { max_length: 30 } });
  assert.equal(byModel.generation.maxLength, 34);
});

test("add_special_tokens: false leaves out what the tokenizer begins texts with", () => {
  const { prompt } = prepareBody("corral", { prompt: "Hi", add_special_tokens: false });
  assert.deepEqual(prompt.ids, [72, 105]);
});
