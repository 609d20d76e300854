// Beam search as callers meet it: over HTTP and the command line, whole and streamed, beside others and given up.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { parseExposition, valueOf } from "./exposition.ts";
import { json, startCorral, waitUntil, type Corral } from "./harness.ts";

const model = "corral-tiny-3";
const question = "What is machine learning?";
const messages = [{ role: "user", content: question }];

let corral: Corral;
before(async () => {
  corral = await startCorral();
});
after(async () => {
  await corral[Symbol.asyncDispose]();
});

const post = (body: object, init: RequestInit = {}) =>
  corral.post(`/api/v1/deployments/${model}/generate`, { do_sample: false, ...body }, init);

interface BeamAnswer {
  readonly result: readonly { readonly generated_token_ids: readonly number[] }[];
  readonly sequences_scores: readonly number[];
  readonly beam_indices: readonly (readonly number[])[];
  readonly usage: { readonly generated_tokens: number };
}

async function generate<Answer = BeamAnswer>(body: object): Promise<Answer> {
  const response = await post(body);
  assert.equal(response.status, 200, await response.clone().text());
  return json<Answer>(response);
}

/** What the replica holds for calls that run. */
async function held(): Promise<{ readonly slots: number; readonly cells: number }> {
  const families = parseExposition(await (await corral.request("/metrics")).text());
  const labels = { deployment: model };
  return {
    slots: valueOf(families, "corral_slots_used", labels),
    cells: valueOf(families, "corral_cells_used", labels),
  };
}

test("the best of four beams come in order with their scores, and the first is the answer to a call for one", async () => {
  const asked = { messages, num_beams: 4, max_new_tokens: 24, return_tensors: true };
  const dictionary = { return_dict_in_generate: true, output_scores: true, scores_top_n: 1 };
  const several = await generate({ ...asked, ...dictionary, num_return_sequences: 4 });
  const texts = several.result.map(({ generated_token_ids: ids }) => ids.join());
  assert.equal(new Set(texts).size, 4);
  const { sequences_scores: scores, beam_indices: indices } = several;
  assert.deepEqual(
    scores,
    scores.toSorted((a, b) => b - a),
  );
  assert.ok(scores.length === 4 && scores.every((score) => score < 0), String(scores));
  assert.ok(indices.every((row) => row[0] === 0 && row.length === indices[0]!.length));
  const one = await generate({ ...asked, ...dictionary });
  // Other steps, other roundings of the last bit.
  assert.ok(Math.abs(one.sequences_scores[0]! - scores[0]!) < 1e-5);
  const best = several.result[0]!.generated_token_ids;
  const ids = one.result[0]!.generated_token_ids;
  assert.deepEqual(ids, best.slice(0, ids.length));
  // What is found here is at least as likely as what is taken greedily, by another route's measure.
  const prompt = ids.slice(0, ids.length - one.usage.generated_tokens);
  const likelihood = async (row: readonly number[]) => {
    const body = { input_ids: [...row] };
    const answer = await json<{ logprobs: readonly number[] }>(
      await corral.post(`/api/v1/deployments/${model}/score`, body),
    );
    const fresh = answer.logprobs.slice(prompt.length);
    return fresh.reduce((sum, logprob) => sum + logprob, 0) / fresh.length;
  };
  const greedy = await generate({ ...asked, num_beams: 1 });
  const [searched, taken] = [await likelihood(ids), await likelihood(greedy.result[0]!.generated_token_ids)];
  assert.ok(Math.abs(searched - scores[0]!) < 1e-3, `${searched} is scored ${scores[0]}`);
  assert.ok(searched >= taken - 1e-6, `${searched} searched, ${taken} taken`);
});

test("the command line gets several texts of beams whole, and one as a stream", async () => {
  const body = JSON.stringify({ num_beams: 4, do_sample: false, max_tokens: 60 });
  const predict = (data: string, ...more: string[]) =>
    corral.cli("predict", model, "--message", question, "-d", data, ...more);
  const several = await predict(body.replace("{", '{"num_return_sequences": 3, '), "--output", "json");
  assert.equal(several.code, 0, several.stderr);
  const { outputs } = (JSON.parse(several.stdout) as { model_output: { outputs: string[] } }).model_output;
  assert.equal(new Set(outputs).size, 3);
  const streamed = await predict(body, "--stream");
  assert.equal(streamed.code, 0, streamed.stderr);
  assert.equal(streamed.stdout.trim(), outputs[0]!.trim());
  const refused = await predict(body.replace("{", '{"num_return_sequences": 2, '), "--stream");
  assert.notEqual(refused.code, 0);
  assert.match(refused.stderr, /num_return_sequences.*cannot be streamed with.*num_beams/);
});

test("the pieces of a stream of beams make up the whole answer, and a stream of two is refused", async () => {
  const asked = { messages, num_beams: 4, max_new_tokens: 24, return_full_text: false, stream: true };
  const text = await (await post(asked)).text();
  const events = text
    .split("\n\n")
    .filter((frame) => frame.startsWith("event: "))
    .map((frame) => JSON.parse(/^data: (.*)$/m.exec(frame)![1]!) as Record<string, unknown>);
  const done = events.pop() as unknown as { result: { generated_text: string }[] };
  assert.ok(events.length > 0);
  assert.equal(events.map((event) => event["text"]).join(""), done.result[0]!.generated_text);
  const refused = await post({ ...asked, num_return_sequences: 2 });
  assert.equal(refused.status, 422);
  const { errors } = await json<{ errors: { pointer: string }[] }>(refused);
  assert.deepEqual(
    errors.map(({ pointer }) => pointer),
    ["/num_return_sequences"],
  );
});

test("searches find beside each other and beside plain calls what they find alone", async () => {
  const prompts = [question, "What even is AGI?", "How do I push a model?", "Hey!"];
  const bodies = prompts.map((prompt, index) => ({
    prompt,
    max_new_tokens: 20,
    return_tensors: true,
    num_beams: index < 2 ? 4 - index : 1,
  }));
  const idsOf = async (body: object) => (await generate(body)).result.map((row) => row.generated_token_ids);
  const alone: unknown[] = [];
  for (const body of bodies) alone.push(await idsOf(body));
  for (let round = 0; round < 3; round++)
    assert.deepEqual(await Promise.all(bodies.map((body) => idsOf(body))), alone);
});

test("a search that is given up leaves cells and slots as they were", async () => {
  await waitUntil("nothing is held", 10_000, async () => (await held()).slots === 0);
  const leaving = new AbortController();
  const long = { prompt: question, num_beams: 4, max_new_tokens: 3_000, eos_token_id: null };
  const call = post({ ...long, return_tensors: true }, { signal: leaving.signal }).then(
    () => assert.fail("answered"),
    (error: unknown) => error,
  );
  await waitUntil("four beams run", 10_000, async () => (await held()).slots === 4);
  assert.ok((await held()).cells > 4);
  leaving.abort();
  await call;
  await waitUntil("cells and slots are let go", 10_000, async () => {
    const { slots, cells } = await held();
    return slots === 0 && cells === 0;
  });
  const after = await generate({ messages, num_beams: 2, max_new_tokens: 4, return_tensors: true });
  assert.equal(after.result.length, 1);
});
