// Many callers at once over HTTP: streams begin together, share steps, and do not change each other's answers.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { json, startCorral, waitUntil, type Corral } from "./harness.ts";

let corral: Corral;
before(async () => {
  corral = await startCorral();
});
after(async () => {
  await corral[Symbol.asyncDispose]();
});

const path = "/models/corral-tiny-3/predict";

interface Stream {
  readonly firstAtMs: number;
  readonly endAtMs: number;
  readonly text: string;
}

async function stream(body: object): Promise<Stream> {
  const response = await corral.post(path, { ...body, stream: true });
  assert.equal(response.status, 200);
  assert.ok(response.body);
  let firstAtMs = 0;
  let text = "";
  const decoder = new TextDecoder();
  for await (const chunk of response.body) {
    firstAtMs ||= performance.now();
    text += decoder.decode(chunk, { stream: true });
  }
  return { firstAtMs, endAtMs: performance.now(), text };
}

/**
 * Long enough that 32 of them overlap: the end tokens are off, so each runs to its length. Of one beam, as the text of
 * several comes when it has settled.
 */
const bodyOf = (caller: number) => ({
  messages: [{ role: "user", content: `What is machine learning? ${"Please. ".repeat(caller % 4)}` }],
  max_new_tokens: 120,
  eos_token_id: null,
  do_sample: false,
  num_beams: 1,
});

test("of 32 concurrent callers all 16 streams have begun before the first ends, and the answers are those given alone", async () => {
  const alone: string[] = [];
  for (let caller = 0; caller < 4; caller += 1) alone.push((await stream(bodyOf(caller))).text);

  const plain = Array.from({ length: 16 }, async (_, index) => {
    const response = await corral.post(path, bodyOf(index));
    assert.equal(response.status, 200);
    return (await json<{ model_output: { output: string } }>(response)).model_output.output;
  });
  const streams = await Promise.all(Array.from({ length: 16 }, (_, index) => stream(bodyOf(index))));
  const answers = await Promise.all(plain);

  const lastBegin = Math.max(...streams.map((item) => item.firstAtMs));
  const firstEnd = Math.min(...streams.map((item) => item.endAtMs));
  assert.ok(
    lastBegin < firstEnd,
    `the last stream began ${(lastBegin - firstEnd).toFixed(0)} ms after the first ended`,
  );
  const same = streams.filter((item, index) => item.text === alone[index % 4]).length;
  assert.ok(same === 16, `${same} of 16 streams equal the answer given alone`);
  assert.deepEqual(
    answers.map((answer, index) => answer === streams[index]?.text),
    Array.from({ length: 16 }, () => true),
  );
});

test("one decode call carries tokens of at least 8 sequences", async () => {
  interface Replicas {
    readonly items: readonly { readonly load: { readonly step_sequences: Record<string, number> } | null }[];
  }
  await waitUntil("a step of 8 sequences is reported", 5_000, async () => {
    const { items } = await json<Replicas>(
      await corral.request("/api/v1/deployments/corral-tiny-3/replicas"),
    );
    const counts = Object.keys(items[0]?.load?.step_sequences ?? {}).map(Number);
    return Math.max(0, ...counts) >= 8;
  });
});

test("the same seed gives the same answer alone and among neighbours", async () => {
  const body = {
    messages: [{ role: "user", content: "Tell me a joke." }],
    do_sample: true,
    temperature: 1.0,
    seed: 7,
  };
  const ask = async () =>
    (await json<{ model_output: { output: string } }>(await corral.post(path, body))).model_output.output;
  const alone = await ask();
  const neighbours = Array.from({ length: 8 }, (_, index) =>
    corral.post(path, { ...body, seed: 100 + index }),
  );
  const among = await ask();
  for (const neighbour of neighbours) await (await neighbour).arrayBuffer();
  assert.equal(among, alone);
});

test("several returned sequences cost one prompt and differ from each other", async () => {
  const body = {
    messages: [{ role: "user", content: "Tell me a joke." }],
    do_sample: true,
    temperature: 1.5,
    top_p: 1,
    top_k: 0,
    num_return_sequences: 4,
    seed: 3,
  };
  const answer = await json<{ model_output: { outputs: string[]; usage: { prompt_tokens: number } } }>(
    await corral.post(path, body),
  );
  assert.equal(answer.model_output.outputs.length, 4);
  assert.ok(new Set(answer.model_output.outputs).size > 1);
  const one = await json<{ model_output: { usage: { prompt_tokens: number } } }>(
    await corral.post(path, { ...body, num_return_sequences: 1 }),
  );
  assert.equal(answer.model_output.usage.prompt_tokens, one.model_output.usage.prompt_tokens);
});
