import { forwardedHeaders, generateAnswerSchema, ServingError } from "@corral/contract";
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { createFakeLoadedModel } from "./testing/fake-loaded-model.ts";
import { parseEvents } from "./testing/platform-side.ts";
import { startTestReplica } from "./testing/start-test-replica.ts";

const slowModel = () => createFakeLoadedModel({ beforeDecode: () => sleep(5) });
const texts = (json: { result: { generated_text: string }[][] }) =>
  json.result.map((list) => list.map((one) => one.generated_text));

test("a list of prompts is answered with a list for each, in order, as one run", async () => {
  await using t = await startTestReplica({ config: { limits: { queue_length: 1 } } });
  const prompts = Array.from({ length: 20 }, (_, index) => "x".repeat(index + 1));
  const answer = await t.call({ body: { prompt: prompts, max_new_tokens: 5 } });
  assert.equal(answer.status, 200, answer.text);
  const expected = prompts.map((prompt, index) => {
    const start = (index + 2) % 10;
    return [prompt + "abcdefghijabcdefghij".slice(start, start + 5)];
  });
  assert.deepEqual(texts(answer.json), expected);
  assert.deepEqual(
    [answer.json.usage.prompt_tokens, answer.json.usage.generated_tokens],
    [(21 * 20) / 2 + 20, 100],
  );
  const finished = await t.platform.until("finished", answer.runId);
  assert.deepEqual(finished.usage, answer.json.usage);
  assert.deepEqual(finished.output, answer.json.result);
  const { prefill, decode } = finished.timings_ms;
  assert.ok(Math.abs(prefill + decode - answer.json.run_time_ms) < 0.01);
  const started = await t.platform.until("started", answer.runId);
  assert.deepEqual([started.prompt_tokens, started.sequence_count], [230, 20]);
});

test("a list of one prompt is nested as well, and chats are as texts are", async () => {
  await using t = await startTestReplica();
  const one = await t.call({ body: { prompt: ["Hi"], max_new_tokens: 4 } });
  assert.deepEqual(texts(one.json), [["Hidefg"]]);
  const chat = [{ role: "user", content: "Hi" }];
  const body = { messages: [chat, [...chat, { role: "assistant", content: "He" }]], max_new_tokens: 2 };
  const { result } = (await t.call({ body })).json;
  assert.deepEqual(
    result.map((list: { generated_text: { role: string }[] }[]) =>
      list[0]!.generated_text.map(({ role }) => role),
    ),
    [
      ["user", "assistant"],
      ["user", "assistant"],
    ],
  );
  assert.equal(result[1][0].generated_text[1].content.length, 4);
});

test("rows of ids are answered as generate answers them: one list of rows, filled to one length", async () => {
  await using t = await startTestReplica();
  const body = {
    input_ids: [
      [1, 2, 3],
      [4, 5, 6],
    ],
    do_sample: true,
    temperature: 50,
    top_k: 0,
    seed: 3,
    num_return_sequences: 3,
    max_new_tokens: 40,
    eos_token_id: Array.from({ length: 40 }, (_, index) => index * 6),
    return_tensors: true,
    pad_token_id: 258,
  };
  const { result } = (await t.call({ body })).json;
  const rows: number[][] = result.map((one: { generated_token_ids: number[] }) => one.generated_token_ids);
  assert.deepEqual(
    rows.map((row) => row[0]),
    [1, 1, 1, 4, 4, 4],
  );
  assert.equal(new Set(rows.map((row) => row.length)).size, 1);
  for (const [index, row] of rows.entries()) {
    const fill = row.slice(3 + result[index].generated_tokens);
    assert.ok(fill.every((id) => id === 258));
  }
});

test("the draws of each prompt are its own, and those of the first are those of a call with it alone", async () => {
  await using t = await startTestReplica();
  const sampling = { do_sample: true, temperature: 50, top_k: 0, max_new_tokens: 12, return_tensors: true };
  const rows = async (body: object) =>
    (await t.call({ body: { ...sampling, ...body } })).json.result.map(
      (one: { generated_token_ids: number[] }) => one.generated_token_ids,
    );
  const [alone] = await rows({ input_ids: [7, 8], seed: 5 });
  const [first, second] = await rows({
    input_ids: [
      [7, 8],
      [7, 8],
    ],
    seed: 5,
  });
  assert.deepEqual(first, alone);
  assert.notDeepEqual(second, first);
  const drawn = await t.call({
    body: {
      ...sampling,
      input_ids: [
        [7, 8],
        [7, 9],
      ],
    },
  });
  const again = await rows({
    input_ids: [
      [7, 8],
      [7, 9],
    ],
    seed: drawn.json.seed,
  });
  assert.deepEqual(
    drawn.json.result.map((one: { generated_token_ids: number[] }) => one.generated_token_ids),
    again,
  );
});

test("what one of several prompts fails with is the call's error and names it; the others end with it", async () => {
  // One prompt at a time: a step that fails is the end of all that are in it.
  const model = createFakeLoadedModel({
    slotCount: 2,
    beforeDecode: (plan) => {
      if (plan.entries.some(({ tokens }) => tokens.includes(255)))
        throw new ServingError("decode_failed", "gone");
      return sleep(2);
    },
  });
  await using t = await startTestReplica({ model });
  const body = { input_ids: [[1], [1, 255], [2]], max_new_tokens: 4 };
  const answer = await t.call({ body });
  assert.deepEqual([answer.status, answer.json.code], [500, "decode_failed"]);
  assert.match(answer.json.detail, /^Prompt 1: /);
  assert.equal((await t.platform.until("finished", answer.runId)).status, "failed");
  assert.equal((await t.call({ body: { prompt: "Hi", max_new_tokens: 4 } })).status, 200);
});

test("a caller that leaves ends all of its prompts", async () => {
  await using t = await startTestReplica({ model: slowModel() });
  const call = t.open({
    body: { prompt: Array.from({ length: 40 }, (_, index) => `p${index}`), max_new_tokens: 100 },
  });
  await t.platform.until("first_token", call.runId);
  call.request.destroy();
  const finished = await t.platform.until("finished", call.runId);
  assert.deepEqual([finished.status, finished.error?.code], ["canceled", "client_closed"]);
  assert.ok(finished.usage.generated_tokens < 2_000);
  assert.equal((await t.call({ body: { prompt: "Hi", max_new_tokens: 4 } })).status, 200);
});

test("a stream of several prompts says of which prompt and sequence a piece is", async () => {
  await using t = await startTestReplica();
  const body = {
    prompt: ["Hi", "Ho!"],
    max_new_tokens: 3,
    do_sample: true,
    temperature: 0.01,
    num_return_sequences: 2,
    stream: true,
  };
  const events = parseEvents((await t.call({ body })).text);
  for (const [prompt, text] of ["def", "efg"].entries()) {
    for (const sequence of [0, 1]) {
      const pieces = events.filter(
        ({ event, data }) => event === "token" && data.prompt === prompt && data.sequence === sequence,
      );
      assert.equal(pieces.map(({ data }) => data.text).join(""), text);
    }
  }
  const last = events.at(-1)!;
  assert.equal(last.event, "done");
  assert.deepEqual(texts(last.data), [
    ["Hidef", "Hidef"],
    ["Ho!efg", "Ho!efg"],
  ]);
});

test("a key's cap counts all prompts of a call", async () => {
  await using t = await startTestReplica();
  const headers = { [forwardedHeaders.key]: "key-1", [forwardedHeaders.tokenCap]: "20" };
  const one = { prompt: ["Hi"], max_new_tokens: 10 };
  assert.equal((await t.call({ body: one, headers })).status, 200);
  const two = await t.call({ body: { ...one, prompt: ["Hi", "Ho"] }, headers });
  assert.deepEqual([two.status, two.json.code], [422, "invalid_parameter"]);
});

test("scores of each step stand beside the result, whole or the best of them, and are not kept with the run", async () => {
  await using t = await startTestReplica();
  const asked = { max_new_tokens: 2, return_dict_in_generate: true, output_scores: true };
  const whole = await t.call({ body: { ...asked, prompt: "Hi" } });
  assert.equal(whole.status, 200, whole.text);
  generateAnswerSchema.parse(whole.json);
  const { scores } = whole.json;
  assert.deepEqual([scores.length, scores[0].length], [2, 1]);
  assert.equal(scores[0][0].indexOf(10), "d".codePointAt(0));
  assert.equal(scores[1][0].indexOf(10), "e".codePointAt(0));
  assert.ok(!JSON.stringify((await t.platform.until("finished", whole.runId)).output).includes("scores"));

  const best = await t.call({
    body: { ...asked, prompt: ["Hi", "Ho!"], output_logits: true, scores_top_n: 2 },
  });
  const [[[first]], [[second]]] = best.json.scores;
  assert.deepEqual([first.ids[0], first.values, first.chosen], [100, [10, 0], 10]);
  assert.equal(second.ids[0], 101);
  assert.equal(best.json.logits.length, 2);
  generateAnswerSchema.parse(best.json);

  const rows = await t.call({
    body: {
      ...asked,
      input_ids: [
        [1, 2, 3],
        [1, 2, 3, 4],
      ],
      scores_top_n: 1,
    },
  });
  assert.deepEqual(
    rows.json.scores.map((step: { ids: number[] }[]) => step.map(({ ids }) => ids)),
    [
      [[100], [101]],
      [[101], [102]],
    ],
  );
  const huge = await t.call({ body: { ...asked, prompt: Array(100).fill("Hi"), max_new_tokens: 100 } });
  assert.deepEqual([huge.status, huge.json.errors[0].pointer], [422, "/output_scores"]);
});
