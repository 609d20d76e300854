import assert from "node:assert/strict";
import { test } from "node:test";
import { answerWith, prepareBody, refusedFields, testRunId } from "../testing/prepare-body.ts";

const messages = [{ role: "user", content: "Hi" }];
const chat = { model: "tiny", messages, max_tokens: 9 };
const completion = { model: "tiny", prompt: "Hi", max_tokens: 9 };
const generationConfig = { do_sample: true, temperature: 0.6, top_p: 0.9, max_length: 4096 };

const pointersOf = (form: "openai_chat" | "openai_completion", body: Record<string, unknown>) =>
  refusedFields(form, body).map(({ pointer }) => pointer);

test("a chat is answered with one message for each choice, usage and the call's model", () => {
  assert.deepEqual(answerWith(prepareBody("openai_chat", chat), " you").body, {
    id: `chatcmpl-${testRunId}`,
    object: "chat.completion",
    created: 1_700_000_000,
    model: "tiny",
    system_fingerprint: "deployment-1",
    choices: [
      {
        index: 0,
        message: { role: "assistant", content: " you", refusal: null },
        logprobs: null,
        finish_reason: "stop",
      },
    ],
    usage: {
      prompt_tokens: 20,
      completion_tokens: 3,
      total_tokens: 23,
      prompt_tokens_details: { cached_tokens: 0 },
    },
  });
});

test("a completion is answered with its text, after the prompt where echo asks for it", () => {
  const choices = (body: Record<string, unknown>) =>
    (
      answerWith(prepareBody("openai_completion", { ...completion, ...body }), " you").body as {
        choices: unknown;
      }
    ).choices;
  const choice = { index: 0, text: " you", logprobs: null, finish_reason: "stop" };
  assert.deepEqual(choices({}), [choice]);
  assert.deepEqual(choices({ echo: true }), [{ ...choice, text: "Hi you" }]);
});

test("several prompts have their choices one after the other", () => {
  const body = { ...completion, prompt: ["Hi", [72]], n: 2, temperature: 1 };
  const { prompts, call } = prepareBody("openai_completion", body);
  assert.deepEqual(
    prompts.map(({ prompt }) => prompt.ids.length),
    [3, 1],
  );
  const chunk = call.tokenEvent({ prompt: 1, sequence: 1, text: "a", ids: [97], promptIds: [] });
  assert.equal((chunk as { choices: { index: number }[] }).choices[0]!.index, 3);
  assert.deepEqual(pointersOf("openai_completion", { ...body, prompt: ["a", 5, [-1]] }), [
    "/prompt/1",
    "/prompt/2/0",
  ]);
  const many = Array.from({ length: 129 }, () => "a");
  assert.deepEqual(pointersOf("openai_completion", { ...body, prompt: many }), ["/prompt"]);
});

test("a prompt is a text or token ids, alone or in a list", () => {
  const idsOf = (prompt: unknown) => prepareBody("openai_completion", { ...completion, prompt }).prompt.ids;
  assert.deepEqual(idsOf(["Hi"]), idsOf("Hi"));
  assert.deepEqual(idsOf([72, 105]), [72, 105]);
  assert.deepEqual(idsOf([[72, 105]]), [72, 105]);
  for (const [prompt, pointer] of [
    [undefined, "/prompt"],
    [5, "/prompt"],
    [[], "/prompt"],
    [[72, -1], "/prompt/1"],
    [[[72, 1.5]], "/prompt/0/1"],
    [[72, 100_000], "/prompt/1"],
    [[{}], "/prompt/0"],
  ] as const)
    assert.deepEqual(pointersOf("openai_completion", { ...completion, prompt }), [pointer]);
});

test("a temperature says whether tokens are drawn; without one the model's own values hold", () => {
  const drawn = (body: Record<string, unknown>, config = {}) => {
    const { generation } = prepareBody("openai_chat", { ...chat, ...body }, { generationConfig: config });
    return [generation.doSample, generation.temperature];
  };
  assert.deepEqual(drawn({ temperature: 0 }, generationConfig), [false, null]);
  assert.deepEqual(drawn({ temperature: 0.5 }), [true, 0.5]);
  assert.deepEqual(drawn({}), [false, null]);
  assert.deepEqual(drawn({ temperature: null }, generationConfig), [true, 0.6]);
  assert.deepEqual(drawn({ temperature: 0.5, do_sample: false }), [false, null]);
});

test("a length counts new tokens, under either name; without one the model's default holds", () => {
  const lengthOf = (body: Record<string, unknown>) =>
    prepareBody(
      "openai_chat",
      { model: "tiny", messages, ...body },
      { generationConfig, defaults: { max_tokens: 99 } },
    ).generation.maxLength;
  assert.equal(lengthOf({ max_tokens: 5 }), 25);
  assert.equal(lengthOf({ max_completion_tokens: 5 }), 25);
  assert.equal(lengthOf({ max_new_tokens: 5 }), 25);
  assert.equal(lengthOf({ max_length: 30 }), 30);
  assert.equal(lengthOf({}), 99);
});

test("parameters of generate stand beside OpenAI's fields", () => {
  const { generation } = prepareBody("openai_chat", {
    ...chat,
    temperature: 1.5,
    top_k: 7,
    repetition_penalty: 1.3,
    n: 3,
    seed: 4,
  });
  const { topK, repetitionPenalty, returnedSequenceCount, seed } = generation;
  assert.deepEqual([topK, repetitionPenalty, returnedSequenceCount, seed], [7, 1.3, 3, 4]);
});

test("OpenAI's biases, penalties, stops and log-probabilities are generate's", () => {
  const { generation, call } = prepareBody("openai_chat", {
    ...chat,
    logit_bias: { "97": -100, "98": 5 },
    presence_penalty: 0.5,
    frequency_penalty: -1,
    stop: "x",
    logprobs: true,
    top_logprobs: 3,
  });
  assert.deepEqual(generation.sequenceBias, [
    { ids: [97], bias: -100 },
    { ids: [98], bias: 5 },
  ]);
  assert.deepEqual([generation.presencePenalty, generation.frequencyPenalty], [0.5, -1]);
  assert.deepEqual([generation.stopStrings, call.stripsStopStrings], [["x"], true]);
  assert.equal(generation.logprobCount, 3);
  assert.equal(prepareBody("openai_completion", { ...completion, logprobs: 0 }).generation.logprobCount, 0);
  const [beyond] = refusedFields("openai_chat", { ...chat, logit_bias: { "100000": 1 } });
  assert.match(beyond!.pointer, /^\/logit_bias/);
});

test("the role developer is system, and a content in parts is one text", () => {
  const rendered = (given: unknown) => prepareBody("openai_chat", { ...chat, messages: given }).prompt.ids;
  const plain = [
    { role: "system", content: "Be kind." },
    { role: "user", content: "Hi you" },
  ];
  const theirs = [
    { role: "developer", content: "Be kind." },
    {
      role: "user",
      content: [
        { type: "text", text: "Hi" },
        { type: "text", text: " you" },
      ],
      name: null,
    },
  ];
  assert.deepEqual(rendered(theirs), rendered(plain));
});

test("an answer can be sent back as a message, as their clients do", () => {
  const { body } = answerWith(prepareBody("openai_chat", chat), "you");
  const [{ message }] = (body as { choices: [{ message: object }] }).choices;
  prepareBody("openai_chat", {
    ...chat,
    messages: [...messages, message, { role: "user", content: "And?" }],
  });
});

const refused: readonly [string, Record<string, unknown>, readonly string[]][] = [
  ["no model", { model: undefined }, ["/model"]],
  ["no messages", { messages: undefined }, ["/messages"]],
  ["messages that are no list", { messages: "Hi" }, ["/messages"]],
  [
    "a picture",
    { messages: [{ role: "user", content: [{ type: "image_url", image_url: {} }] }] },
    ["/messages/0/content/0/type"],
  ],
  [
    "an unknown field of a message",
    { messages: [{ ...messages[0], contents: "x" }] },
    ["/messages/0/contents"],
  ],
  ["a temperature above 2", { temperature: 2.1 }, ["/temperature"]],
  ["a top_p above 1", { top_p: 1.5 }, ["/top_p"]],
  ["two lengths", { max_completion_tokens: 5 }, ["/max_tokens"]],
  ["OpenAI's name and Hugging Face's", { n: 2, num_return_sequences: 2, temperature: 1 }, ["/n"]],
  ["choices that would be the same", { n: 2, temperature: 0 }, ["/n"]],
  ["too many choices", { n: 99, temperature: 1 }, ["/n"]],
  ["a length of 0", { max_tokens: 0 }, ["/max_tokens"]],
  ["five stops", { stop: ["a", "b", "c", "d", "e"] }, ["/stop"]],
  ["an empty stop", { stop: ["a", ""] }, ["/stop"]],
  [
    "more biases than a call may have, one by one",
    { logit_bias: Object.fromEntries(Array.from({ length: 5_000 }, (_, id) => [id, "x"])) },
    ["/logit_bias"],
  ],
  ["biases that are no object", { logit_bias: [1] }, ["/logit_bias"]],
  [
    "a bias of no token",
    { logit_bias: { "-1": 1, x: 1, "7": 101 } },
    ["/logit_bias/7", "/logit_bias/-1", "/logit_bias/x"],
  ],
  ["alternatives without log-probabilities", { top_logprobs: 2 }, ["/top_logprobs"]],
  ["too many alternatives", { logprobs: true, top_logprobs: 21 }, ["/top_logprobs"]],
  [
    "penalties out of range",
    { presence_penalty: 2.5, frequency_penalty: "1" },
    ["/presence_penalty", "/frequency_penalty"],
  ],
  [
    "options of a stream where there is none",
    { stream_options: { include_usage: true } },
    ["/stream_options"],
  ],
  [
    "unknown options of a stream",
    { stream: true, stream_options: { include_usag: true, include_obfuscation: true } },
    ["/stream_options/include_obfuscation", "/stream_options/include_usag"],
  ],
  ["tools", { tools: [{ type: "function" }], tool_choice: "required" }, ["/tools", "/tool_choice"]],
  ["a form of the answer", { response_format: { type: "json_object" } }, ["/response_format"]],
  [
    "other media",
    { modalities: ["text", "audio"], audio: {}, prediction: {} },
    ["/modalities", "/audio", "/prediction"],
  ],
  ["labels that are none", { user: 5, metadata: { a: 1 } }, ["/user", "/metadata"]],
  [
    "scores that have no place in the answer",
    { return_dict_in_generate: true },
    ["/return_dict_in_generate"],
  ],
  [
    "scores in a generation_config",
    { generation_config: { output_scores: true, logprobs: 3 } },
    ["/generation_config/output_scores", "/generation_config/logprobs"],
  ],
  ["a field that nobody knows", { temprature: 1 }, ["/temprature"]],
];
for (const [name, changes, pointers] of refused) {
  test(`refused by name: ${name}`, () => {
    assert.deepEqual(pointersOf("openai_chat", { ...chat, ...changes }), pointers);
  });
}

test("a refusal speaks of the field that the caller sent, and hints at what was meant", () => {
  const [sequences] = refusedFields("openai_chat", { ...chat, n: 2, temperature: 0 });
  assert.match(sequences!.message, /`n` must be 1/);
  const [unknown] = refusedFields("openai_chat", { ...chat, max_completion_token: 5 });
  assert.match(unknown!.message, /Did you mean max_completion_tokens\?/);
});

test("best_of above n and a suffix are refused, best_of as n is not", () => {
  prepareBody("openai_completion", { ...completion, n: 2, best_of: 2, temperature: 1 });
  assert.deepEqual(pointersOf("openai_completion", { ...completion, best_of: 2, suffix: "." }), [
    "/best_of",
    "/suffix",
  ]);
});

test("values that ask for nothing are accepted", () => {
  prepareBody("openai_chat", {
    ...chat,
    tools: [],
    tool_choice: "none",
    response_format: { type: "text" },
    modalities: ["text"],
    service_tier: "auto",
    logprobs: false,
    logit_bias: {},
    stop: [],
    presence_penalty: 0,
    frequency_penalty: 0,
    user: "someone",
    metadata: { purpose: "test" },
    n: null,
    seed: null,
  });
});

test("a run whose caller says store: false keeps no output", () => {
  assert.equal(answerWith(prepareBody("openai_chat", { ...chat, store: false }), "you").output, null);
  assert.notEqual(answerWith(prepareBody("openai_chat", { ...chat, store: true }), "you").output, null);
});

test("each choice of a stream begins with its role, ends with its reason, and usage comes last where asked for", () => {
  const body = { ...chat, stream: true, n: 2, temperature: 1, stream_options: { include_usage: true } };
  const prepared = prepareBody("openai_chat", body);
  assert.equal(prepared.call.stream, "chunks");
  type Chunk = {
    choices: { delta: object; finish_reason: unknown }[];
    usage: { total_tokens: number } | null;
  };
  const first = prepared.call.tokenEvent({
    prompt: 0,
    sequence: 1,
    text: "a",
    ids: [97],
    promptIds: [],
  }) as unknown as Chunk;
  const second = prepared.call.tokenEvent({
    prompt: 0,
    sequence: 1,
    text: "b",
    ids: [98],
    promptIds: [],
  }) as unknown as Chunk;
  assert.equal(
    prepared.call.tokenEvent({ prompt: 0, sequence: 1, text: "", ids: [98], promptIds: [] }),
    null,
  );
  assert.deepEqual(first.choices[0]!.delta, { role: "assistant", content: "a" });
  assert.deepEqual(second.choices[0]!.delta, { content: "b" });
  assert.equal(first.usage, null);
  const last = answerWith(prepared, "", "ab").body as Chunk[];
  assert.deepEqual(
    last.map(({ choices: [choice] }) => choice?.delta),
    [{ role: "assistant", content: "" }, {}, undefined],
  );
  assert.deepEqual([last[1]!.choices[0]!.finish_reason, last[2]!.usage?.total_tokens], ["stop", 23]);
});
