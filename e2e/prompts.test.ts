// Tokenize, detokenize and render over HTTP: what they answer is what generate goes on from, and they are no runs.

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

const route = (call: string, model = "corral-tiny-3") => `/api/v1/models/${model}/${call}`;

async function answer<Body>(call: string, body: unknown): Promise<Body> {
  const response = await corral.post(route(call), body);
  assert.equal(response.status, 200, await response.clone().text());
  assert.equal(response.headers.get("x-corral-run-id"), null, "it is no run");
  return json<Body>(response);
}

test("the ids of a rendered conversation are those that generate begins with", async () => {
  const messages = [
    { role: "system", content: "Be kind." },
    { role: "user", content: "What is a llama?" },
  ];
  const rendered = await answer<{ text: string; ids: number[] }>("render", { messages });
  assert.match(rendered.text, /^<\|begin_of_text\|>.*assistant<\|end_header_id\|>\n\n$/s);
  const generated = await json<{ result: { generated_token_ids: number[] }[] }>(
    await corral.post("/api/v1/deployments/corral-tiny-3/generate", {
      messages,
      max_new_tokens: 1,
      return_tensors: true,
    }),
  );
  assert.deepEqual(generated.result[0]?.generated_token_ids.slice(0, -1), rendered.ids);
  const bare = { text: rendered.text, add_special_tokens: false };
  assert.deepEqual(await answer("tokenize", bare), { ids: rendered.ids });
  assert.deepEqual(await answer("detokenize", { ids: rendered.ids }), { text: rendered.text });
});

test("a bad call and an unknown model are refused, each with its status", async () => {
  const refused = await corral.post(route("detokenize"), { ids: [1, 1e9] });
  assert.equal(refused.status, 422);
  assert.deepEqual(
    (await json<{ errors: { pointer: string }[] }>(refused)).errors.map(({ pointer }) => pointer),
    ["/ids/1"],
  );
  assert.equal((await corral.post(route("tokenize", "no-such"), { text: "a" })).status, 404);
});
