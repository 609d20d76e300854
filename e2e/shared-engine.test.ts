// One engine for many callers, seen from outside: what is shared between calls, and what is kept apart.

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

interface Generated {
  readonly result: readonly { readonly generated_token_ids: readonly number[] }[];
  readonly usage: {
    readonly prompt_tokens: number;
    readonly cached_tokens: number;
    readonly generated_tokens: number;
  };
}

const generate = async (inputIds: readonly number[], parameters: object = {}): Promise<Generated> => {
  const response = await corral.post("/api/v1/deployments/corral-tiny-3/generate", {
    input_ids: inputIds,
    return_tensors: true,
    max_new_tokens: 8,
    eos_token_id: null,
    do_sample: false,
    ...parameters,
  });
  assert.equal(response.status, 200);
  return await json<Generated>(response);
};

const ids = (count: number, seed: number) =>
  Array.from({ length: count }, (_, index) => 10 + ((index * 31 + seed * 17) % 200));

test("a prompt that shares 300 of its 512 tokens with an earlier one says so, and is answered as if it did not", async () => {
  const common = ids(300, 1);
  await generate([...common, ...ids(212, 2)]);
  const prompt = [...common, 5, ...ids(211, 3)];
  const shared = await generate(prompt);
  assert.deepEqual([shared.usage.prompt_tokens, shared.usage.cached_tokens], [512, 300]);
  const alone = await generate(prompt, { deterministic: true });
  assert.equal(alone.usage.cached_tokens, 0);
  assert.deepEqual(shared.result, alone.result);
});

test("sixteen callers who come together compute their common beginning once", async () => {
  const common = ids(400, 7);
  const prompts = Array.from({ length: 16 }, (_, index) => [...common, 3 + index, ...ids(15, index)]);
  const answers = await Promise.all(prompts.map((prompt) => generate(prompt)));
  const computed = answers.reduce((sum, { usage }) => sum + usage.prompt_tokens - usage.cached_tokens, 0);
  // Whoever comes as the first is fewer than 16 tokens from the end of the common part computes these, and does not wait.
  const least = 400 + 16 * 16;
  assert.ok(computed >= least && computed <= least + 15 * 15, `${computed} tokens were computed`);
});

test("the next turn of a conversation finds the ones before it, in every family", async () => {
  const first = [{ role: "user", content: "What is a neural network? Tell me in your own words, please." }];
  const answer = await corral.post("/models/corral-tiny-3/predict", { messages: first, seed: 1 });
  const { model_output } = await json<{ model_output: { output: string } }>(answer);
  const messages = [
    ...first,
    { role: "assistant", content: model_output.output },
    { role: "user", content: "Thank you." },
  ];
  const next = await corral.post("/models/corral-tiny-3/predict", { messages, seed: 1 });
  const { usage } = (await json<{ model_output: Generated }>(next)).model_output;
  assert.ok(usage.cached_tokens > 15, `${usage.cached_tokens} of ${usage.prompt_tokens} tokens`);
});

test("a deterministic call gives the same answer while others run, and one that is none of these is refused", async () => {
  const body = { do_sample: true, temperature: 1.5, top_k: 0, deterministic: true };
  const alone = await generate(ids(100, 9), body);
  const crowd = Array.from({ length: 12 }, (_, index) =>
    generate(ids(60 + index, index), { max_new_tokens: 40 }),
  );
  assert.deepEqual((await generate(ids(100, 9), body)).result, alone.result);
  await Promise.all(crowd);
  const refused = await corral.post("/api/v1/deployments/corral-tiny-3/generate", {
    prompt: "Hi",
    deterministic: "yes",
  });
  assert.equal(refused.status, 422);
  assert.match(await refused.text(), /deterministic/);
});

test("callers who leave at any moment leave the others' answers and the engine's room as they were", async () => {
  const rest = Array.from({ length: 20 }, (_, index) => generate(ids(80, index), { max_new_tokens: 30 }));
  const leavers = Array.from({ length: 20 }, async (_, index) => {
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 5 * index);
    await fetch(`${corral.url}/api/v1/deployments/corral-tiny-3/generate`, {
      method: "POST",
      headers: { authorization: `Api-Key ${corral.key}`, "content-type": "application/json" },
      body: JSON.stringify({ input_ids: ids(200, 50 + index), max_new_tokens: 400, eos_token_id: null }),
      signal: controller.signal,
    }).then(
      (response) => response.arrayBuffer().catch(() => undefined),
      () => undefined,
    );
  });
  await Promise.all(leavers);
  for (const answer of await Promise.all(rest)) assert.equal(answer.usage.generated_tokens, 30);
  interface Load {
    readonly running_sequences: number;
    readonly used_cells: number;
    readonly used_slots: number;
  }
  const read = async () =>
    (
      await json<{ items: readonly { load: Load | null }[] }>(
        await corral.request("/api/v1/deployments/corral-tiny-3/replicas"),
      )
    ).items[0]?.load;
  for (let attempt = 0; ; attempt += 1) {
    const load = await read();
    if (load?.running_sequences === 0 && load.used_cells === 0 && load.used_slots === 0) return;
    assert.ok(attempt < 100, JSON.stringify(load));
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
});
