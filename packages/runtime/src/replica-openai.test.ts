import assert from "node:assert/strict";
import { test } from "node:test";
import { forwardedHeaders, storedIfAsked } from "@corral/contract";
import { startTestReplica } from "./testing/start-test-replica.ts";

interface Chunk {
  readonly choices: readonly {
    readonly index: number;
    readonly delta?: { readonly role?: string; readonly content?: string };
    readonly text?: string;
    readonly finish_reason: string | null;
  }[];
  readonly usage?: { readonly completion_tokens: number } | null;
}

/** The data lines of a stream of chunks, the closing one left out; fails where that is missing. */
function chunksOf(text: string): Chunk[] {
  const lines = text.split("\n\n").filter((line) => line !== "" && !line.startsWith(":"));
  assert.equal(lines.pop(), "data: [DONE]");
  return lines.map((line) => JSON.parse(dataOf(line)) as Chunk);
}

function dataOf(frame: string): string {
  return /^data: (.*)$/m.exec(frame)?.[1] ?? "";
}

const complete = { dialect: "openai", path: "/completions" } as const;
const chat = { dialect: "openai", path: "/chat/completions" } as const;
const messages = [{ role: "user", content: "Hi" }];

test("a completion and a chat are answered in OpenAI's shape, and recorded", async () => {
  await using t = await startTestReplica();
  const completion = await t.call({ ...complete, body: { model: "m", prompt: "Hi", max_tokens: 4 } });
  assert.deepEqual(
    [
      completion.status,
      completion.json.object,
      completion.json.choices[0].text,
      completion.json.choices[0].finish_reason,
    ],
    [200, "text_completion", "defg", "length"],
  );
  assert.deepEqual(completion.json.usage, {
    prompt_tokens: 3,
    completion_tokens: 4,
    total_tokens: 7,
    prompt_tokens_details: { cached_tokens: 0 },
  });
  assert.ok(Math.abs(completion.json.created - Date.now() / 1_000) < 60);
  const answered = await t.call({ ...chat, body: { model: "m", messages, max_tokens: 2 } });
  assert.equal(answered.json.choices[0].message.content.length, 2);
  const started = await t.platform.until("started", answered.runId);
  const finished = await t.platform.until("finished", answered.runId);
  assert.equal(started.dialect, "openai");
  assert.deepEqual(finished.output, answered.json.choices);
});

test("in a project that keeps no outputs, the body may ask for one to be kept, and else none is", async () => {
  await using t = await startTestReplica();
  const outputOf = async (store: object, header: string) => {
    const body = { model: "m", messages, max_tokens: 2, ...store };
    const { runId } = await t.call({ ...chat, body, headers: { [forwardedHeaders.store]: header } });
    return (await t.platform.until("finished", runId)).output;
  };
  assert.equal(await outputOf({}, storedIfAsked), null);
  assert.notEqual(await outputOf({ store: true }, storedIfAsked), null);
  assert.equal(await outputOf({ store: true }, "0"), null);
});

test("a stream of a chat is chunks that make up the whole answer, with usage where asked for", async () => {
  await using t = await startTestReplica();
  const body = { model: "m", messages, max_tokens: 5 };
  const whole = await t.call({ ...chat, body });
  const { text, headers } = await t.call({
    ...chat,
    body: { ...body, stream: true, stream_options: { include_usage: true } },
  });
  assert.match(headers["content-type"] ?? "", /^text\/event-stream/);
  const chunks = chunksOf(text);
  const deltas = chunks.flatMap(({ choices }) => choices.map(({ delta }) => delta));
  assert.equal(deltas[0]?.role, "assistant");
  assert.equal(deltas.map((delta) => delta?.content ?? "").join(""), whole.json.choices[0].message.content);
  assert.deepEqual(chunks.at(-1)?.choices, []);
  assert.equal(chunks.at(-1)?.usage?.completion_tokens, 5);
  assert.equal(chunks.at(-2)?.choices[0]?.finish_reason, "length");
});

test("several choices of a stream are told apart by their index, each echoed and ended once", async () => {
  await using t = await startTestReplica();
  const { text } = await t.call({
    ...complete,
    body: { model: "m", prompt: "Hi", max_tokens: 3, n: 2, temperature: 0.01, echo: true, stream: true },
  });
  const choices = chunksOf(text).flatMap((chunk) => chunk.choices);
  for (const index of [0, 1]) {
    const own = choices.filter((choice) => choice.index === index);
    assert.equal(own.map((choice) => choice.text).join(""), "Hidef");
    assert.deepEqual(
      own.flatMap(({ finish_reason: reason }) => reason ?? []),
      ["length"],
    );
  }
});

test("several prompts in one call have choices of their own, streamed as well", async () => {
  await using t = await startTestReplica();
  const body = { model: "m", prompt: ["Hi", [72, 105], "Hello"], max_tokens: 3, echo: true };
  const { json } = await t.call({ ...complete, body });
  const texts = json.choices.map(({ text }: { text: string }) => text);
  assert.deepEqual(texts, ["Hidef", "Hicde", "Helloghi"]);
  const streamed = await t.call({ ...complete, body: { ...body, prompt: ["Hi", "Hello"], stream: true } });
  const choices = chunksOf(streamed.text).flatMap((chunk) => chunk.choices);
  const textOf = (index: number) =>
    choices.flatMap((choice) => (choice.index === index ? (choice.text ?? "") : [])).join("");
  assert.deepEqual([textOf(0), textOf(1)], ["Hidef", "Helloghi"]);
});

test("a stop ends a choice and is no part of its text, whole or streamed", async () => {
  await using t = await startTestReplica();
  const body = { model: "m", prompt: "Hi", max_tokens: 9, stop: ["fg", "x"] };
  const { json } = await t.call({ ...complete, body });
  const [{ text, finish_reason: reason }] = json.choices;
  assert.deepEqual([text, reason, json.usage.completion_tokens], ["de", "stop", 4]);
  const choices = chunksOf((await t.call({ ...complete, body: { ...body, stream: true } })).text).flatMap(
    (chunk) => chunk.choices,
  );
  assert.equal(choices.map((choice) => choice.text).join(""), "de");
  assert.equal(choices.at(-1)?.finish_reason, "stop");
});

test("log-probabilities are told of the text's tokens, the same whole and streamed", async () => {
  await using t = await startTestReplica();
  const body = { model: "m", prompt: "Hi", max_tokens: 9, stop: "fg", logprobs: 2 };
  const { json } = await t.call({ ...complete, body });
  const {
    tokens,
    token_logprobs: chosen,
    top_logprobs: top,
    text_offset: offsets,
  } = json.choices[0].logprobs;
  assert.deepEqual(
    [tokens, offsets],
    [
      ["d", "e"],
      [0, 1],
    ],
  );
  assert.ok(chosen.every((logprob: number) => logprob < 0 && logprob > -1));
  assert.deepEqual([Object.keys(top[0]).length, top[0].d], [2, chosen[0]]);
  const streamed = await t.call({ ...complete, body: { ...body, stream: true } });
  const told = streamed.text
    .split("\n\n")
    .filter((line) => line.startsWith("data: {"))
    .flatMap((line) => JSON.parse(dataOf(line)).choices[0].logprobs?.tokens ?? []);
  assert.deepEqual(told, tokens);
  const answered = await t.call({
    ...chat,
    body: { model: "m", messages, max_tokens: 2, logprobs: true, top_logprobs: 1 },
  });
  const [{ message, logprobs }] = answered.json.choices;
  assert.equal(logprobs.content.map(({ token }: { token: string }) => token).join(""), message.content);
  assert.equal(logprobs.content[0].top_logprobs.length, 1);
  const own = await t.call({ body: { prompt: "Hi", max_new_tokens: 2, logprobs: 1 } });
  const [first] = own.json.result[0].logprobs;
  assert.deepEqual([first.id, first.top[0].logprob], ["d".charCodeAt(0), first.logprob]);
});

test("a bias and a penalty change what is chosen", async () => {
  await using t = await startTestReplica();
  const z = String("z".charCodeAt(0));
  const textOf = async (changes: object): Promise<string> => {
    const body = { model: "m", prompt: "Hi", max_tokens: 3, temperature: 0, ...changes };
    return (await t.call({ ...complete, body })).json.choices[0].text;
  };
  assert.equal(await textOf({}), "def");
  assert.equal(await textOf({ logit_bias: { [z]: 100 } }), "zzz");
  // One z, which is then 1 behind, and the model's own.
  assert.equal(await textOf({ logit_bias: { [z]: 11 }, frequency_penalty: 2 }), "zef");
  assert.equal(await textOf({ logit_bias: { [z]: 11 }, presence_penalty: 2 }), "zef");
});

test("a bad body is 400 with the first field's path, on a stream as well", async () => {
  await using t = await startTestReplica();
  for (const stream of [false, true]) {
    const body = { model: "m", messages: [{ role: "user" }], temperature: 3, stream };
    const { status, json } = await t.call({ ...chat, body });
    assert.deepEqual(
      [status, json.error.type, json.error.param, json.error.errors.length],
      [400, "invalid_request_error", "messages[0].content", 2],
    );
  }
  assert.equal((await t.call({ ...chat, path: "/predict", body: {} })).status, 404);
});

test("a stream that is not committed ends with an error and without a closing line", async () => {
  await using t = await startTestReplica({ acknowledges: false, graces: { acknowledgementMs: 100 } });
  const { text } = await t.call({
    ...chat,
    body: { model: "m", messages, max_tokens: 2, stream: true },
  });
  const last = JSON.parse(
    text
      .trim()
      .split("\n\n")
      .at(-1)!
      .replace(/^data: /, ""),
  );
  assert.deepEqual([last.error.code, last.error.type], ["database_unavailable", "server_error"]);
  t.platform.acknowledges = true;
  t.platform.send({ kind: "ack", number: t.platform.reports.at(-1)!.number });
});
