// Scores and embeddings over HTTP: a call by curl's means, its run in the records, and bad input of each kind.

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

const route = (call: string, deployment = "corral-tiny-3") => `/api/v1/deployments/${deployment}/${call}`;

interface Usage {
  readonly prompt_tokens: number;
  readonly generated_tokens: number;
}
interface Scored {
  readonly run_id: string;
  readonly ids: readonly number[];
  readonly logprobs: readonly (number | null)[];
  readonly top: readonly (readonly { readonly id: number; readonly logprob: number }[] | null)[];
  readonly total_logprob: number;
  readonly usage: Usage;
}

async function score(body: unknown): Promise<Scored> {
  const response = await corral.post(route("score"), body);
  assert.equal(response.status, 200);
  return json<Scored>(response);
}

test("what the model writes by itself is what it finds most probable", async () => {
  const prompt = "What is machine learning?";
  const generated = await json<{ result: { generated_token_ids: number[] }[] }>(
    await corral.post(route("generate"), {
      prompt,
      max_new_tokens: 8,
      do_sample: false,
      return_tensors: true,
    }),
  );
  const ids = generated.result[0]!.generated_token_ids;
  const scored = await score({ input_ids: ids, top_n: 1 });
  assert.equal(scored.logprobs.length, ids.length);
  const promptCount = (await score({ prompt })).ids.length;
  for (let position = promptCount; position < ids.length; position += 1) {
    assert.equal(scored.top[position]![0]!.id, ids[position]);
    assert.equal(scored.top[position]![0]!.logprob, scored.logprobs[position]);
  }
  assert.ok(scored.total_logprob < 0);
});

test("texts of one meaning are nearer to each other than to another, by whatever pooling", async () => {
  const input = ["How do I push a model?", "How do I push a model??", "0123456789"];
  for (const pooling of ["mean", "last"]) {
    const response = await corral.post(route("embeddings"), { input, pooling });
    const { embeddings, usage } = await json<{ embeddings: number[][]; usage: Usage }>(response);
    const [first, second, third] = embeddings as [number[], number[], number[]];
    const dot = (a: number[], b: number[]) => a.reduce((sum, value, index) => sum + value * b[index]!, 0);
    assert.ok(Math.abs(dot(first, first) - 1) < 1e-6);
    assert.ok(dot(first, second) > dot(first, third), pooling);
    assert.ok(usage.prompt_tokens > 10 && usage.generated_tokens === 0);
  }
});

test("a run is recorded with its usage and output, and a key needs the scope", async () => {
  const scored = await score({ prompt: "Hello" });
  const run = await json<{ status: string; output: Scored; usage: Usage }>(
    await corral.request(`/api/v1/runs/${scored.run_id}`),
  );
  assert.deepEqual(
    [run.status, run.usage, run.output.logprobs],
    ["succeeded", scored.usage, scored.logprobs],
  );
  const made = await json<{ key: string }>(
    await corral.post("/api/v1/keys", { name: "metrics only", scopes: ["metrics"] }),
  );
  const headers = { authorization: `Bearer ${made.key}` };
  for (const call of ["score", "embeddings"]) {
    assert.equal((await corral.post(route(call), {}, { headers })).status, 403);
    assert.equal((await corral.post(route(call, "nobody-has-this"), {})).status, 404);
    assert.equal((await corral.request(route(call))).status, 405);
  }
});

test("bad input is refused with every bad field", async () => {
  const refused: readonly [call: string, body: unknown, pointers: readonly string[]][] = [
    ["score", { top_n: 99, promt: "a" }, ["", "/top_n", "/promt"]],
    ["score", { prompt: "word ".repeat(30_000) }, ["/prompt"]],
    ["embeddings", { input: ["a", ""], poolin: "mean" }, ["/input/1", "/poolin"]],
    ["embeddings", { input: Array.from({ length: 200 }, () => "a") }, ["/input"]],
  ];
  for (const [call, body, pointers] of refused) {
    const response = await corral.post(route(call), body);
    const problem = await json<{ detail: string; errors: { pointer: string }[] }>(response);
    assert.equal(response.status, 422, problem.detail);
    assert.equal(response.headers.get("content-type"), "application/problem+json");
    assert.deepEqual(
      problem.errors.map(({ pointer }) => pointer),
      pointers,
    );
  }
  assert.equal((await corral.post(route("score"), "{")).status, 400);
});
