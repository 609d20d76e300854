import { warningsHeader } from "@corral/contract";
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  answerWith,
  prepareBody,
  refusedFields,
  testRunId,
  type ContextChanges,
} from "../testing/prepare-body.ts";

/** The Llama 2 page's defaults, as the catalogue has them. */
const llama2 = {
  max_new_tokens: 100,
  temperature: 1,
  top_p: 1,
  top_k: 50,
  num_return_sequences: 1,
  do_sample: true,
};
const generationConfig = { do_sample: true, temperature: 0.6, top_p: 0.9, max_length: 4096, pad_token_id: 0 };
const context: ContextChanges = { defaults: llama2, generationConfig };
const prompt = "Hello, how are you?";
const promptTokens = prompt.length + 1;
const settings = (body: Record<string, unknown>) =>
  prepareBody("cerebrium", { prompt, ...body }, context).generation;

test("what has no effect beside a forced greedy choice is warned of, and its kind is checked", () => {
  const { warnings } = prepareBody("cerebrium", { prompt, temperature: 0, top_p: 0.9 }, context);
  assert.deepEqual(warnings, ["`top_p` (0.9) has no effect as `do_sample` is not true."]);
  assert.deepEqual(prepareBody("cerebrium", { prompt, temperature: 0 }, context).warnings, []);
  const [error] = refusedFields("cerebrium", { prompt, temperature: 0, top_p: "high" }, context);
  assert.equal(error?.pointer, "/top_p");
});

test("a deployment's number of sequences holds for a forced greedy choice as well", () => {
  const prepared = prepareBody(
    "cerebrium",
    { prompt, temperature: 0 },
    { ...context, defaults: { ...llama2, num_return_sequences: 2 } },
  );
  const { result } = answerWith(prepared, "!").body as { result: unknown[] };
  assert.equal(result.length, 2);
});

test("every value of the documented call is accepted as the page writes it", () => {
  const { maxLength, repetitionPenalty, topP, temperature, topK, returnedSequenceCount, doSample } = settings(
    {
      max_length: "100",
      repetition_penalty: "1.5",
      top_p: 0.5,
      temperature: 0.8,
      top_k: 10,
      num_return_sequences: 2,
    },
  );
  assert.deepEqual(
    { maxLength, repetitionPenalty, topP, temperature, topK, returnedSequenceCount, doSample },
    {
      maxLength: 100,
      repetitionPenalty: 1.5,
      topP: 0.5,
      temperature: 0.8,
      topK: 10,
      returnedSequenceCount: 2,
      doSample: true,
    },
  );
});

const readings = [
  {
    name: "an omitted length is a hundred new tokens",
    body: {},
    expected: { maxLength: promptTokens + 100 },
  },
  { name: "a given one counts the prompt", body: { max_length: 50 }, expected: { maxLength: 50 } },
  {
    name: "max_new_tokens wins over max_length",
    body: { max_length: 50, max_new_tokens: "7" },
    expected: { maxLength: promptTokens + 7 },
  },
  {
    name: "null is the default",
    body: { max_length: null, top_p: null, top_k: null },
    expected: { maxLength: promptTokens + 100, topK: 50 },
  },
  {
    name: "top_p is 1 where it is omitted",
    body: {},
    expected: { topP: null, temperature: null, topK: 50, doSample: true },
  },
  { name: "top_p 0 is greedy", body: { top_p: 0 }, expected: { doSample: false, returnedSequenceCount: 1 } },
  { name: 'top_p "0.0" is greedy', body: { top_p: "0.0" }, expected: { doSample: false } },
  {
    name: "temperature 0 is greedy",
    body: { temperature: 0, num_return_sequences: 3 },
    expected: { doSample: false, returnedSequenceCount: 1 },
  },
  {
    name: "an integer penalty is a number",
    body: { repetition_penalty: 2 },
    expected: { repetitionPenalty: 2 },
  },
  {
    name: "a penalty below 1 is legal",
    body: { repetition_penalty: 0.5 },
    expected: { repetitionPenalty: 0.5 },
  },
  { name: "top_k -1 is off", body: { top_k: -1 }, expected: { topK: null } },
  { name: "top_k 0 is off", body: { top_k: "0" }, expected: { topK: null } },
  { name: 'eos_token_id "7" is 7', body: { eos_token_id: "7" }, expected: { endTokenIds: [7] } },
  { name: 'top_k "10.0" is 10', body: { top_k: "10.0" }, expected: { topK: 10 } },
  {
    name: "do_sample and seed are accepted",
    body: { do_sample: false, seed: "5" },
    expected: { doSample: false, seed: 5 },
  },
];
for (const { name, body, expected } of readings) {
  test(`reading: ${name}`, () => assert.partialDeepStrictEqual(settings(body), expected));
}

test("a length among a model's defaults means what it means to every family", () => {
  const totals: readonly (readonly [Record<string, unknown>, number])[] = [
    [{ max_length: 60 }, 60],
    [{ max_tokens: 60 }, 60],
    [{ max_new_tokens: 60 }, promptTokens + 60],
    [{ max_length: 10 }, 4096],
    [{}, 4096],
  ];
  for (const [defaults, expected] of totals) {
    for (const dialect of ["cerebrium", "baseten"] as const) {
      const { generation, warnings } = prepareBody(dialect, { prompt }, { defaults, generationConfig });
      const label = `${dialect} ${JSON.stringify(defaults)}`;
      assert.equal(generation.maxLength, expected, label);
      if (defaults["max_length"] === 10) assert.match(warnings.join(), /20 tokens.* is 10,.*4096/, label);
    }
  }
});

const refused = [
  {
    name: "a length that the prompt fills",
    body: { max_length: 5 },
    pointers: ["/max_length"],
    says: new RegExp(`${promptTokens}.*5`),
  },
  {
    name: "booleans for numbers",
    body: { top_k: true, temperature: false },
    pointers: ["/temperature", "/top_k"],
  },
  {
    name: "fractions of integers",
    body: { top_k: 10.5, max_length: "100.7" },
    pointers: ["/max_length", "/top_k"],
  },
  {
    name: "texts that are no numbers",
    body: { temperature: "nan", top_p: "high", top_k: "" },
    pointers: ["/temperature", "/top_k", "/top_p"],
  },
  {
    name: "numbers that are not finite",
    body: { temperature: Infinity, top_p: "1e999" },
    pointers: ["/temperature", "/top_p"],
  },
  {
    name: "top_p above 1 and temperature below 0",
    body: { top_p: 1.5, temperature: -1 },
    pointers: ["/temperature", "/top_p"],
  },
  { name: "a penalty of 0", body: { repetition_penalty: "0" }, pointers: ["/repetition_penalty"] },
  { name: "no sequence", body: { num_return_sequences: 0 }, pointers: ["/num_return_sequences"] },
  { name: "too many sequences", body: { num_return_sequences: 9 }, pointers: ["/num_return_sequences"] },
  {
    name: "too many copies",
    body: { num_return_sequences: 9, top_p: 0 },
    pointers: ["/num_return_sequences"],
  },
  {
    name: "several sequences of an explicit greedy call",
    body: { do_sample: false, top_p: 0, num_return_sequences: 2 },
    pointers: ["/num_return_sequences"],
  },
  { name: "too many beams", body: { num_beams: "400" }, pointers: ["/num_beams"] },
  { name: "a parameter that is not carried out", body: { dola_layers: "low" }, pointers: ["/dola_layers"] },
  { name: "a webhook", body: { webhook_endpoint: "https://example.com/x" }, pointers: ["/webhook_endpoint"] },
  { name: "a prompt that is no text", body: { prompt: 5 }, pointers: ["/prompt"] },
  {
    name: "prompt and messages",
    body: { messages: [{ role: "user", content: "x" }] },
    pointers: ["/messages"],
  },
];
for (const { name, body, pointers, says } of refused) {
  test(`refused: ${name}`, () => {
    const errors = refusedFields("cerebrium", { prompt, ...body }, context);
    assert.deepEqual(errors.map(({ pointer }) => pointer).toSorted(), pointers);
    if (says !== undefined) assert.match(errors[0]!.message, says);
  });
}

test("a webhook that the gateway took is nothing to the model", () => {
  prepareBody(
    "cerebrium",
    { prompt, webhook_endpoint: "https://example.com/x" },
    { ...context, isQueued: true },
  );
});

test("unknown fields are ignored and named in a header", () => {
  const prepared = prepareBody("cerebrium", { prompt, stream: true, "wörd\n": 1, max_length: 50 }, context);
  const answer = answerWith(prepared, "x");
  const warnings = JSON.parse(answer.headers[warningsHeader]!) as string[];
  assert.equal(warnings.length, 2);
  assert.match(warnings.join(), /"stream".*"wörd\\n"/);
  assert.deepEqual(
    Object.keys(answerWith(prepareBody("cerebrium", { prompt, max_length: 50 }, context), "x").headers),
    [],
  );
});

test("the answer is the documented envelope, the prompt echoed byte for byte", () => {
  const odd = " \u00a0Hi\ud800\n";
  assert.deepEqual(answerWith(prepareBody("cerebrium", { prompt: odd }, context), " you ").body, {
    run_id: testRunId,
    run_time_ms: 12.5,
    message: "Ran successfully",
    result: [{ generated_text: `${odd} you ` }],
  });
});

test("the new text alone, one text instead of a list, and messages through the template are to be had", () => {
  const result = (body: Record<string, unknown>, query = "") =>
    answerWith(prepareBody("cerebrium", body, { ...context, query }), "new").output;
  assert.deepEqual(result({ prompt, return_full_text: false }), [{ generated_text: "new" }]);
  assert.equal(result({ prompt }, "?result=text"), `${prompt}new`);
  assert.deepEqual(result({ messages: [{ role: "user", content: "Hi" }] }), [{ generated_text: "new" }]);
  assert.equal(refusedFields("cerebrium", { prompt }, { ...context, query: "?result=xml" }).length, 1);
});

test("several sequences of a forced greedy answer are equal copies", () => {
  const prepared = prepareBody("cerebrium", { prompt, temperature: 0, num_return_sequences: 3 }, context);
  const copy = { generated_text: `${prompt}same` };
  assert.deepEqual(answerWith(prepared, "same").output, [copy, copy, copy]);
});

test("beams of a call without sampling are searched, and several sequences are the best of them", () => {
  const greedy = { prompt, temperature: 0, num_beams: "3", num_return_sequences: 2 };
  const prepared = prepareBody("cerebrium", greedy, context);
  const { doSample, beams, returnedSequenceCount } = prepared.generation;
  assert.deepEqual([doSample, beams?.beamCount, returnedSequenceCount], [false, 3, 2]);
  assert.equal((answerWith(prepared, "a", "b").output as unknown[]).length, 2);
  assert.equal(prepareBody("cerebrium", { prompt }, context).generation.beams, null, "the page has none");
});
