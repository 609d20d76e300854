// OpenAI's own client from npm, unmodified, against both tiny models: answers, streams, lists and errors as it reads them.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import OpenAI from "openai";
import { answerProblem, questions } from "./english.ts";
import { json, startCorral, type Corral } from "./harness.ts";

let corral: Corral;
let client: OpenAI;
before(async () => {
  corral = await startCorral();
  client = new OpenAI({ baseURL: `${corral.url}/v1`, apiKey: corral.key, maxRetries: 0 });
});
after(async () => {
  await corral[Symbol.asyncDispose]();
});

const agi = questions.find(({ id }) => id === "agi")!;
const ask = {
  model: "corral-tiny-3",
  messages: [{ role: "user" as const, content: agi.example }],
  max_completion_tokens: 96,
};
/** Against the four beams that are the model's default. */
const oneBeam = { num_beams: 1 };

test("a chat is answered with a whole sentence, by either model and however it is named", async () => {
  const names = ["corral-tiny-3", "corral-tiny-2", "llamav2-7b-chat"];
  for (const model of names) {
    const completion = await client.chat.completions.create({ ...ask, model, temperature: 0 });
    const [choice] = completion.choices;
    assert.equal(completion.model, model);
    assert.equal(choice?.finish_reason, "stop");
    assert.equal(answerProblem(choice.message.content ?? "", agi.keywords, "all"), null);
    const { usage } = completion;
    assert.equal(usage?.total_tokens, (usage?.prompt_tokens ?? 0) + (usage?.completion_tokens ?? 0));
    assert.ok((usage?.prompt_tokens_details?.cached_tokens ?? -1) >= 0);
  }
});

test("a stream makes up the same answer, with one beam as with several, and its usage comes last", async () => {
  for (const beams of [{}, oneBeam]) {
    const body = { ...ask, temperature: 0, ...beams };
    const whole = await client.chat.completions.create(body);
    const stream = await client.chat.completions.create({
      ...body,
      stream: true,
      stream_options: { include_usage: true },
    });
    const texts: string[] = [];
    let last: OpenAI.Chat.ChatCompletionChunk | null = null;
    for await (const chunk of stream) {
      texts.push(chunk.choices[0]?.delta.content ?? "");
      last = chunk;
    }
    assert.equal(texts.join(""), whole.choices[0]?.message.content);
    // Of several beams only what all agree on is sent before the end.
    if (beams === oneBeam) assert.ok(texts.length > 3, "in pieces");
    assert.equal(last?.usage?.completion_tokens, whole.usage?.completion_tokens);
  }
});

test("their helper gathers a stream of several choices, and a seed gives the same ones again", async () => {
  const body = { ...ask, n: 3, seed: 5, temperature: 1.2, ...oneBeam };
  const gathered = await client.chat.completions.stream(body).finalChatCompletion();
  const whole = await client.chat.completions.create(body);
  const texts = (completion: OpenAI.Chat.ChatCompletion) =>
    completion.choices.map(({ index, message, finish_reason: reason }) => [index, message.content, reason]);
  assert.deepEqual(texts(gathered), texts(whole));
  assert.equal(whole.choices.length, 3);
});

test("several choices of the model's beams are its best ones, come whole, and are refused as a stream", async () => {
  const body = { ...ask, n: 3, temperature: 0 };
  const { choices } = await client.chat.completions.create(body);
  assert.equal(new Set(choices.map(({ message }) => message.content)).size, 3);
  const error: unknown = await client.chat.completions.create({ ...body, stream: true }).then(
    () => assert.fail("answered"),
    (refusal: unknown) => refusal,
  );
  assert.ok(error instanceof OpenAI.BadRequestError);
  assert.deepEqual([error.param, error.code], ["n", "unsupported_parameter"]);
  assert.match(error.message, /`num_beams` to 1/);
});

test("a conversation goes on with the answer that came, and parameters of generate stand beside", async () => {
  const first = await client.chat.completions.create({ ...ask, temperature: 0 });
  const { message } = first.choices[0]!;
  const extra = { repetition_penalty: 1.3, top_k: 5 };
  const second = await client.chat.completions.create({
    ...ask,
    messages: [...ask.messages, message, { role: "user", content: "Hello!" }],
    seed: 1,
    ...extra,
  });
  assert.ok((second.choices[0]?.message.content ?? "").length > 10);
  assert.ok((second.usage?.prompt_tokens_details?.cached_tokens ?? 0) > 0, "the first turn is kept");
});

test("completions go on from texts and ids, echo them, and end before a stop", async () => {
  const body = { model: "corral-tiny-3", max_tokens: 12, temperature: 0, ...oneBeam };
  const one = await client.completions.create({ ...body, prompt: "What is a llama?" });
  const several = await client.completions.create({
    ...body,
    prompt: ["What is a llama?", "Hello!"],
    echo: true,
  });
  assert.deepEqual(
    several.choices.map(({ index }) => index),
    [0, 1],
  );
  assert.equal(several.choices[0]?.text, `What is a llama?${one.choices[0]?.text}`);
  const text = one.choices[0]!.text;
  const stop = text.slice(6, 9);
  const stopped = await client.completions.create({ ...body, prompt: "What is a llama?", stop });
  assert.equal(stopped.choices[0]?.text, text.slice(0, text.indexOf(stop)));
  assert.equal(stopped.choices[0]?.finish_reason, "stop");
});

test("log-probabilities belong to the text's tokens, and their helper gathers the same from a stream", async () => {
  for (const beams of [{}, oneBeam]) {
    const body = { ...ask, temperature: 0, logprobs: true, top_logprobs: 2, ...beams };
    const whole = (await client.chat.completions.create(body)).choices[0]!;
    const tokens = whole.logprobs?.content ?? [];
    assert.equal(tokens.map(({ token }) => token).join(""), whole.message.content);
    for (const { logprob, top_logprobs: top } of tokens) {
      assert.ok(logprob <= top[0]!.logprob);
      // Greedy: what was chosen is the likeliest.
      if (beams === oneBeam) assert.equal(logprob, top[0]?.logprob);
    }
    const streamed = await client.chat.completions.stream(body).finalChatCompletion();
    assert.deepEqual(
      streamed.choices[0]?.logprobs?.content?.map(({ token }) => token),
      tokens.map(({ token }) => token),
    );
  }
});

test("models are listed and read by their names", async () => {
  const names: string[] = [];
  for await (const { id } of client.models.list()) names.push(id);
  assert.deepEqual(names.toSorted(), ["corral-tiny-2", "corral-tiny-3"]);
  const model = await client.models.retrieve("corral-tiny-3");
  assert.deepEqual([model.id, model.object], ["corral-tiny-3", "model"]);
});

test("errors are those of their client, with our code and the field", async () => {
  const failure = async (call: Promise<unknown>) =>
    call.then(
      () => assert.fail("answered"),
      (error: unknown) => error,
    );
  const unknown = await failure(client.chat.completions.create({ ...ask, model: "corral-tiny-9" }));
  assert.ok(unknown instanceof OpenAI.NotFoundError);
  assert.equal(unknown.code, "model_not_found");
  const bad = await failure(client.chat.completions.create({ ...ask, temperature: 9 }));
  assert.ok(bad instanceof OpenAI.BadRequestError);
  assert.deepEqual(
    [bad.param, bad.code, bad.type],
    ["temperature", "invalid_parameter", "invalid_request_error"],
  );
  const tools = await failure(
    client.chat.completions.create({ ...ask, tools: [{ type: "function", function: { name: "f" } }] }),
  );
  assert.ok(tools instanceof OpenAI.BadRequestError);
  assert.equal(tools.code, "unsupported_parameter");
  const stranger = new OpenAI({ baseURL: `${corral.url}/v1`, apiKey: "nobody", maxRetries: 0 });
  assert.ok((await failure(stranger.models.list())) instanceof OpenAI.AuthenticationError);
});

test("a run keeps its choices, or with store: false its counts alone", async () => {
  const outputOf = async (store: boolean) => {
    const { id, choices } = await client.chat.completions.create({ ...ask, temperature: 0, store });
    const run = await json<{ status: string; dialect: string; output: unknown }>(
      await corral.request(`/api/v1/runs/${id.replace("chatcmpl-", "")}`),
    );
    assert.deepEqual([run.status, run.dialect], ["succeeded", "openai"]);
    return { output: run.output, choices };
  };
  const kept = await outputOf(true);
  assert.deepEqual(kept.output, kept.choices);
  assert.equal((await outputOf(false)).output, null);
});
