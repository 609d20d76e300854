import assert from "node:assert/strict";
import { test } from "node:test";
import type { PredictAnswer } from "./dialect.ts";
import { answerWith, prepareBody, refusedFields, testRunId } from "../testing/prepare-body.ts";

const messages = [{ role: "user", content: "Hi" }];

/** What is generated, without what is said of it. */
function generated({ output }: PredictAnswer): unknown {
  const bare = (one: unknown): unknown => {
    if (Array.isArray(one)) return one.map(bare);
    const { finish_reason: _reason, generated_tokens: _count, ...rest } = one as Record<string, unknown>;
    return rest;
  };
  return bare(output);
}

test("Hugging Face's defaults hold, and not the deployment's", () => {
  const { generation } = prepareBody(
    "corral",
    { prompt: "Hi" },
    { defaults: { do_sample: true, max_length: 7 } },
  );
  assert.equal(generation.doSample, false);
  assert.equal(generation.maxLength, 3 + 20);
});

test("the model's generation_config.json holds under the caller's values", () => {
  const generationConfig = { do_sample: true, temperature: 0.6, max_length: 100 };
  const { generation } = prepareBody("corral", { prompt: "Hi", temperature: 0.9 }, { generationConfig });
  assert.deepEqual(
    [generation.doSample, generation.temperature, generation.topK, generation.maxLength],
    [true, 0.9, 50, 100],
  );
});

test("the prompt is echoed byte for byte unless return_full_text is false", () => {
  const prompt = "  \ud800“Hi”\n";
  assert.deepEqual(generated(answerWith(prepareBody("corral", { prompt }), " you")), [
    { generated_text: `${prompt} you` },
  ]);
  const without = prepareBody("corral", { prompt, return_full_text: false });
  assert.deepEqual(generated(answerWith(without, " you")), [{ generated_text: " you" }]);
});

test("messages are answered with the conversation, or with the text alone", () => {
  const conversation = [...messages, { role: "assistant", content: "you" }];
  assert.deepEqual(generated(answerWith(prepareBody("corral", { messages }), "you")), [
    { generated_text: conversation },
  ]);
  const without = prepareBody("corral", { messages, return_full_text: false });
  assert.deepEqual(generated(answerWith(without, "you")), [{ generated_text: "you" }]);
});

test("new text of a conversation that ends with the assistant belongs to its last message", () => {
  const open = prepareBody("corral", { messages: [...messages, { role: "assistant", content: "He" }] });
  assert.deepEqual(generated(answerWith(open, "llo")), [
    { generated_text: [...messages, { role: "assistant", content: "Hello" }] },
  ]);
});

test("return_tensors gives the ids with the prompt's, and excludes return_full_text by name", () => {
  const prepared = prepareBody("corral", { input_ids: [[1, 2]], return_tensors: true });
  assert.deepEqual(generated(answerWith(prepared, "a")), [{ generated_token_ids: [1, 2, 97] }]);
  // As in the pipeline, any value asks for ids.
  const asked = prepareBody("corral", { input_ids: [[1, 2]], return_tensors: false });
  assert.deepEqual(generated(answerWith(asked, "a")), [{ generated_token_ids: [1, 2, 97] }]);
  const [error] = refusedFields("corral", { prompt: "Hi", return_tensors: true, return_full_text: true });
  assert.match(error!.message, /return_tensors.*return_full_text/);
});

test("the answer has the run, its time, usage and warnings", () => {
  const { body } = answerWith(
    prepareBody("corral", { prompt: "Hi", num_return_sequences: 2, do_sample: true, max_new_tokens: 3 }),
    "a",
    "b",
  );
  assert.deepEqual(body, {
    run_id: testRunId,
    run_time_ms: 12.5,
    result: ["Hia", "Hib"].map((generated_text) => ({
      generated_text,
      finish_reason: "stop",
      generated_tokens: 1,
    })),
    usage: { prompt_tokens: 3, cached_tokens: 0, generated_tokens: 3 },
    finish_reason: "stop",
    warnings: [],
  });
});

const refused = [
  { name: "no prompt", body: { max_new_tokens: 3 }, pointers: [""] },
  { name: "two prompts", body: { prompt: "a", messages }, pointers: ["/messages"] },
  { name: "a prompt that is no text", body: { prompt: 5 }, pointers: ["/prompt"] },
  {
    name: "prompts that are no texts",
    body: { prompt: ["a", 5, null] },
    pointers: ["/prompt/1", "/prompt/2"],
  },
  { name: "no prompts", body: { prompt: [] }, pointers: ["/prompt"] },
  {
    name: "more prompts than a call may have",
    body: { prompt: Array(129).fill("a") },
    pointers: ["/prompt"],
  },
  { name: "no messages", body: { messages: [] }, pointers: ["/messages"] },
  {
    name: "bad messages, all of them",
    body: {
      messages: [{ role: 1, content: "x" }, { role: "user" }, 7],
    },
    pointers: ["/messages/0/role", "/messages/1/content", "/messages/2"],
  },
  {
    name: "log-probabilities of more tokens than an answer may hold, over all prompts",
    body: { prompt: Array(128).fill("a"), max_new_tokens: 700, logprobs: 20 },
    pointers: ["/logprobs"],
  },
  { name: "rows of ids, one of them empty", body: { input_ids: [[1], []] }, pointers: ["/input_ids/1"] },
  { name: "a bad id in a row", body: { input_ids: [[1], [2, 999]] }, pointers: ["/input_ids/1/1"] },
  {
    name: "bad messages in one of several chats",
    body: { messages: [messages, [{ role: "pirate", content: "x" }], [{ role: "user" }]] },
    pointers: ["/messages/2/0/content"],
  },
  {
    name: "a role that the template refuses in one of several chats",
    body: { messages: [messages, [{ role: "pirate", content: "x" }]] },
    pointers: ["/messages/1"],
  },
  {
    name: "a bad parameter beside several prompts, once",
    body: { prompt: ["a", "b", "c"], max_new_tokens: 0 },
    pointers: ["/max_new_tokens"],
  },
  {
    name: "a prompt that is too long among others",
    body: { input_ids: [[1], Array(9000).fill(1)] },
    pointers: ["/input_ids/1"],
  },
  {
    name: "return_text beside what says otherwise",
    body: { prompt: "a", return_text: true, return_full_text: false, return_tensors: true },
    pointers: ["/return_tensors", "/return_text", "/return_text"],
  },
  {
    name: "a return form that is no boolean",
    body: { prompt: "a", return_tensors: "pt" },
    pointers: ["/return_tensors"],
  },
  {
    name: "a way with long prompts that there is not",
    body: { prompt: "a", handle_long_generation: "cut" },
    pointers: ["/handle_long_generation"],
  },
  {
    name: "options of a text beside a chat",
    body: { messages, prefix: "x", add_special_tokens: false },
    pointers: ["/prefix", "/add_special_tokens"],
  },
  { name: "a prefix that is no text", body: { prompt: "a", prefix: 1 }, pointers: ["/prefix"] },
  {
    name: "a mask beside a text",
    body: { prompt: "a", attention_mask: [1] },
    pointers: ["/attention_mask"],
  },
  { name: "ids that are none", body: { input_ids: [1, -1] }, pointers: ["/input_ids/1"] },
  { name: "ids beyond the vocabulary", body: { input_ids: [1, 260] }, pointers: ["/input_ids/1"] },
  { name: "the same in a row", body: { input_ids: [[1, 260]] }, pointers: ["/input_ids/0/1"] },
  { name: "no ids", body: { input_ids: [] }, pointers: ["/input_ids"] },
  {
    name: "an unknown parameter beside a bad one",
    body: { prompt: "a", topk: 4, max_new_tokens: 0 },
    pointers: ["/topk", "/max_new_tokens"],
  },
  { name: "too many beams", body: { prompt: "a", num_beams: 400 }, pointers: ["/num_beams"] },
  {
    name: "several sequences of beams as a stream",
    body: { prompt: "a", num_beams: 4, num_return_sequences: 2, stream: true },
    pointers: ["/num_return_sequences"],
  },
  {
    name: "a huge number of sequences",
    body: { prompt: "a", num_return_sequences: 1e9, do_sample: true },
    pointers: ["/num_return_sequences"],
  },
  { name: "a stream that is no boolean", body: { prompt: "a", stream: "yes" }, pointers: ["/stream"] },
  {
    name: "a bad prompt and bad parameters together",
    body: { prompt: null, messages: 3, top_k: 0.5 },
    pointers: ["/messages", "/top_k"],
  },
  {
    name: "a parameter called __proto__",
    body: JSON.parse('{"prompt":"a","__proto__":{"x":1}}'),
    pointers: ["/__proto__"],
  },
] as const;

for (const { name, body, pointers } of refused) {
  test(`refused with its pointer: ${name}`, () => {
    assert.deepEqual(
      refusedFields("corral", body).map(({ pointer }) => pointer),
      pointers,
    );
  });
}

test("a prompt that fills the context is refused with both numbers", () => {
  const [error] = refusedFields("corral", { prompt: "x".repeat(40) }, { contextLength: 32 });
  assert.equal(error!.code, "prompt_too_long");
  assert.match(error!.message, /41.*32/);
});
