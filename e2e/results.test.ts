// What our own call takes and answers, over HTTP: several prompts, padded ids, scores, streams, and what is refused.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { json, startCorral, type Corral } from "./harness.ts";

let corral: Corral;
before(async () => {
  corral = await startCorral();
});
after(async () => {
  await corral[Symbol.asyncDispose]();
});

const post = (body: object) => corral.post("/api/v1/deployments/corral-tiny-3/generate", body);

async function generate<Answer>(body: object): Promise<Answer> {
  const response = await post({ do_sample: false, max_new_tokens: 12, ...body });
  assert.equal(response.status, 200, await response.clone().text());
  return json<Answer>(response);
}

interface Row {
  readonly generated_text: string;
  readonly generated_token_ids: readonly number[];
  readonly finish_reason: string;
  readonly generated_tokens: number;
}
interface Answer<Result> {
  readonly result: Result;
  readonly usage: { readonly prompt_tokens: number; readonly generated_tokens: number };
  readonly warnings: readonly string[];
}

test("texts of one call are answered as each would be alone, nested and counted together", async () => {
  const prompts = ["What is machine learning?", "Hey!", "How do I push a model?"];
  const together = await generate<Answer<Row[][]>>({ prompt: prompts });
  const alone = await Promise.all(prompts.map((prompt) => generate<Answer<Row[]>>({ prompt })));
  assert.deepEqual(
    together.result,
    alone.map(({ result }) => result),
  );
  const sum = alone.reduce((count, { usage }) => count + usage.generated_tokens, 0);
  assert.equal(together.usage.generated_tokens, sum);
});

test("padded rows of ids go on as without their padding, whether a mask tells or the pad token", async () => {
  const rows = [
    [21, 32, 43, 54, 65],
    [76, 87],
  ];
  const ids = { return_tensors: true, pad_token_id: 9, eos_token_id: 1 };
  const padded = rows.map((row) => [...Array<number>(5 - row.length).fill(9), ...row]);
  const alone = await Promise.all(
    rows.map((row) => generate<Answer<Row[]>>({ ...ids, input_ids: row, attention_mask: row.map(() => 1) })),
  );
  const attention_mask = rows.map((row) => [...Array<number>(5 - row.length).fill(0), ...row.map(() => 1)]);
  for (const mask of [{ attention_mask }, {}]) {
    const { result } = await generate<Answer<Row[]>>({ ...ids, input_ids: padded, ...mask });
    for (const [index, row] of result.entries()) {
      const expected = alone[index]!.result[0]!;
      const fresh = row.generated_token_ids.slice(5, 5 + row.generated_tokens);
      assert.deepEqual(row.generated_token_ids.slice(0, 5), padded[index]);
      assert.deepEqual(fresh, expected.generated_token_ids.slice(rows[index]!.length));
    }
  }
});

test("a chat comes back as a chat, and the scores tell why each token was taken", async () => {
  const messages = [{ role: "user", content: "What is machine learning?" }];
  const asked = { return_dict_in_generate: true, output_scores: true, scores_top_n: 2, explain: true };
  const answer = await generate<
    Answer<{ generated_text: { role: string; content: string }[]; generated_tokens: number }[]> & {
      readonly scores: { ids: number[]; values: number[]; chosen: number }[][];
      readonly effective_parameters: Record<string, { value: unknown; source: string }>;
    }
  >({ messages, ...asked });
  const [row] = answer.result;
  assert.deepEqual(
    row!.generated_text.map(({ role }) => role),
    ["user", "assistant"],
  );
  assert.equal(answer.scores.length, row!.generated_tokens);
  for (const [step] of answer.scores) assert.equal(step!.chosen, step!.values[0]);
  assert.deepEqual(answer.effective_parameters["do_sample"], { value: false, source: "caller" });
  assert.equal(answer.effective_parameters["temperature"]?.source, "model");
});

test("a stream of several prompts has the pieces of each, and ends with the whole answer", async () => {
  const body = { prompt: ["Hey!", "What is a model?"], do_sample: false, max_new_tokens: 8, stream: true };
  const text = await (await post({ ...body, return_full_text: false })).text();
  const events = text
    .split("\n\n")
    .filter((frame) => frame.startsWith("event: "))
    .map((frame) => JSON.parse(/^data: (.*)$/m.exec(frame)![1]!) as Record<string, unknown>);
  const { result } = events.at(-1) as unknown as Answer<Row[][]>;
  for (const [prompt, [row]] of result.entries()) {
    const pieces = events.filter((event) => event["prompt"] === prompt).map(({ text: piece }) => piece);
    assert.equal(pieces.join(""), row!.generated_text);
  }
});

test("what is wrong with the ways in and out is refused with its place", async () => {
  const cases = [
    [{ prompt: ["a", 1] }, "/prompt/1"],
    [{ input_ids: [[1, 2]], attention_mask: [[1, 0]] }, "/attention_mask/0/1"],
    [{ prompt: "a", return_tensors: true, return_full_text: false }, "/return_tensors"],
    [{ prompt: "a", handle_long_generation: "cut" }, "/handle_long_generation"],
    [{ messages: [[{ role: "user", content: "a" }], [{ role: "user" }]] }, "/messages/1/0/content"],
    [{ prompt: "a", explain: "yes" }, "/explain"],
    [{ prompt: "a", stop_sequence: [] }, "/stop_sequence"],
    [{ prompt: "a", generation_config: { top_k: 0.5 } }, "/generation_config/top_k"],
  ] as const;
  for (const [body, pointer] of cases) {
    const response = await post(body);
    assert.equal(response.status, 422, pointer);
    const { errors } = await json<{ errors: { pointer: string }[] }>(response);
    assert.equal(errors[0]?.pointer, pointer);
  }
});
