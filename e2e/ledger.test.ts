// What was used is known on every path, and a budget holds however many call at a time. Through HTTP and the `corral`
// command.

import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { parseExposition } from "./exposition.ts";
import { json, startCorral, waitUntil, type Corral } from "./harness.ts";

let corral: Corral;
let directory: string;
before(async () => {
  corral = await startCorral();
  directory = await mkdtemp(join(tmpdir(), "corral-ledger-"));
});
after(async () => {
  await corral[Symbol.asyncDispose]();
  await rm(directory, { recursive: true, force: true });
});

const name = "corral-tiny-3";
const generate = `/api/v1/deployments/${name}/generate`;

interface Totals {
  readonly runs: number;
  readonly incomplete_runs: number;
  readonly prompt_tokens: number;
  readonly cached_tokens: number;
  readonly generated_tokens: number;
  readonly run_time_ms: number;
  readonly cost: string | null;
}
interface Budget {
  readonly used: number;
  readonly reserved: number;
}

async function totals(query: string): Promise<Totals> {
  const { total } = await json<{ total: Totals }>(await corral.request(`/api/v1/usage?${query}`));
  return total;
}

async function keyWith(body: object): Promise<{ id: string; headers: Record<string, string> }> {
  const made = await json<{ id: string; key: string }>(await corral.post("/api/v1/keys", body));
  return { id: made.id, headers: { authorization: `Api-Key ${made.key}` } };
}

async function budgetOf(id: string): Promise<Budget> {
  const { items } = await json<{ items: { id: string; token_budget: Budget }[] }>(
    await corral.request("/api/v1/keys?limit=100"),
  );
  return items.find((key) => key.id === id)?.token_budget ?? assert.fail("the key is not listed");
}

/** As the replica's engine counted since its start. */
async function engineCounts(): Promise<{ prompt: number; cached: number; generated: number }> {
  const families = parseExposition(await (await corral.request("/metrics")).text());
  const sum = (metric: string) =>
    (families.get(metric)?.samples ?? [])
      .filter(({ labels }) => labels["deployment"] === name)
      .reduce((all, { value }) => all + value, 0);
  return {
    prompt: sum("vllm:prompt_tokens_total"),
    cached: sum("vllm:prefix_cache_hits_total"),
    generated: sum("vllm:generation_tokens_total"),
  };
}

test("the ledger is what the engine counted: streams, callers who leave, beams, samples, prefixes, scores", async () => {
  const { headers } = await keyWith({ name: "every-path" });
  const put = await corral.request(`/api/v1/prices/${name}`, {
    method: "PUT",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      currency: "EUR",
      prompt_token: "0.01",
      cached_token: "0",
      generated_token: "0.1",
    }),
  });
  assert.equal(put.status, 200);
  const post = async (path: string, body: object) => {
    const response = await corral.post(path, body, { headers });
    assert.equal(response.status, 200, path);
    return response;
  };
  const messages = [{ role: "user", content: "Hi" }];
  const long = { prompt: "Tell me about llamas. ".repeat(8), max_new_tokens: 8, do_sample: false };
  await (await post(generate, long)).text();
  await (await post(generate, long)).text();
  await (await post(generate, { ...long, num_beams: 4, num_return_sequences: 2 })).text();
  await (await post(generate, { ...long, do_sample: true, num_return_sequences: 3 })).text();
  await (await post(generate, { prompt: ["One.", "Two."], max_new_tokens: 5 })).text();
  await (await post(generate, { ...long, stream: true })).text();
  await (await post("/v1/completions", { model: name, prompt: "Hi", max_tokens: 4 })).text();
  await (await post("/v1/chat/completions", { model: name, messages, max_tokens: 4 })).text();
  await (await post(`/${name}/predict`, { messages, max_new_tokens: 4 })).text();
  await (await post(`/api/v1/deployments/${name}/score`, { prompt: "A text to be scored" })).text();
  await (await post(`/api/v1/deployments/${name}/embeddings`, { input: ["a", "b c d"] })).text();
  const left = await post(generate, { ...long, max_new_tokens: 400, eos_token_id: null, stream: true });
  const reader = left.body!.getReader();
  await reader.read();
  await reader.cancel();
  await waitUntil("the run of the caller who left has ended", 10_000, async () => {
    return (await totals("key=every-path")).runs === 12;
  });

  const used = await totals("key=every-path&group_by=key");
  await waitUntil("the engine's own counts are the same", 10_000, async () => {
    const counted = await engineCounts();
    return (
      counted.prompt === used.prompt_tokens &&
      counted.generated === used.generated_tokens &&
      counted.cached >= used.cached_tokens
    );
  }).catch(async (cause: unknown) => {
    throw new Error(JSON.stringify({ used, counted: await engineCounts() }), { cause });
  });
  assert.equal(used.incomplete_runs, 0);
  assert.ok(used.cached_tokens > 0 && used.run_time_ms > 0);
  const cents = used.prompt_tokens - used.cached_tokens + 10 * used.generated_tokens;
  assert.equal(Number(used.cost), cents / 100);

  const csv = await corral.cli("usage", "--by", "key", "--csv");
  assert.match(csv.stdout, /^day,model_id,.*,currency\r\n,,,\w+,every-path,12,0,/);
  const text = await corral.cli("usage", "--key", "every-path", "--by", "model");
  assert.match(text.stdout, new RegExp(`^${name}\\t12\\t${used.prompt_tokens}\\t.*EUR\\ntotal\\t12`));
  assert.equal((await corral.request("/api/v1/usage?from=0000-01-01&to=0000-01-02")).status, 422);
  const wrong = await corral.request("/api/v1/usage?from=2027-02-31&group_by=week");
  assert.equal(wrong.status, 422);
  assert.deepEqual(
    (await json<{ errors: { pointer: string }[] }>(wrong)).errors.map(({ pointer }) => pointer).toSorted(),
    ["/from", "/group_by/0"],
  );
});

test("100 callers at a time take no more than a budget of 1,000 tokens, and others are not held up", async () => {
  const { id, headers } = await keyWith({ name: "spender", token_budget: { tokens: 1_000, period: "day" } });
  const body = { prompt: "What is it?", max_new_tokens: 30, do_sample: false, eos_token_id: null };
  const answers = await Promise.all(
    Array.from({ length: 100 }, async () => {
      const response = await corral.post(generate, body, { headers });
      const answer = await json<{ code?: string; detail?: string; usage?: { generated_tokens: number } }>(
        response,
      );
      return { status: response.status, ...answer };
    }),
  );
  const served = answers.filter(({ status }) => status === 200);
  const refused = answers.filter(({ status }) => status === 429);
  assert.equal(served.length + refused.length, 100);
  assert.ok(served.length > 10 && refused.length > 10, `${served.length} served`);
  for (const { code, detail } of refused) {
    assert.equal(code, "budget_exceeded");
    assert.match(detail ?? "", /budget is 1000 tokens a day; \d+ are used, \d+ are reserved .* renews at 20/);
  }
  const used = await totals("key=spender");
  const spent = used.prompt_tokens + used.generated_tokens;
  assert.ok(spent <= 1_000, `${spent} tokens`);
  assert.equal(used.runs, served.length);
  assert.deepEqual(await budgetOf(id), { ...(await budgetOf(id)), used: spent, reserved: 0 });
  // As little as is left is still given.
  const rest = 1_000 - spent;
  const again = await corral.post(generate, { ...body, max_new_tokens: rest }, { headers });
  assert.equal(again.status, 429);
  assert.equal((await corral.post(generate, body)).status, 200);

  const changed = await corral.cli("keys", "budget", id, "5000/day");
  assert.match(changed.stdout, new RegExp(`has the budget ${spent} of 5000/day`));
  assert.equal((await corral.post(generate, body, { headers })).status, 200);
  // An OpenAI client is told in its own form.
  await corral.cli("keys", "budget", id, "1/day");
  const openai = await corral.post("/v1/completions", { model: name, prompt: "Hi" }, { headers });
  assert.equal(openai.status, 429);
  assert.equal((await json<{ error: { code: string } }>(openai)).error.code, "budget_exceeded");
});

test("what a model's code asks of the model is reserved and counted in its run", async () => {
  const path = join(directory, "asker");
  await mkdir(join(path, "model"), { recursive: true });
  await writeFile(
    join(path, "config.yaml"),
    `model_name: asker\nmodel_metadata:\n  corral:\n    weights: ${name}\n`,
  );
  await writeFile(
    join(path, "model/model.ts"),
    `import { llm } from "@corral/model";
    export async function predict({ times }: { times: number }) {
      const words = { prompt: "Hello", max_new_tokens: 20, do_sample: false, eos_token_id: null };
      const all = [];
      for (let index = 0; index < times; index += 1) {
        try { all.push((await llm.generate(words)).usage.generated_tokens); }
        catch (error) { all.push(error.code); }
      }
      return all;
    }`,
  );
  const pushed = await corral.cli("push", path, "--output", "json");
  assert.equal(pushed.code, 0, pushed.stderr);
  const { id, headers } = await keyWith({ name: "coder", token_budget: { tokens: 60, period: "total" } });
  const response = await corral.post("/api/v1/deployments/asker/generate", { times: 4 }, { headers });
  const { result } = await json<{ result: unknown }>(response);
  assert.deepEqual(result, [20, 20, "budget_exceeded", "budget_exceeded"]);
  const used = await totals("key=coder");
  assert.equal(used.generated_tokens, 40);
  assert.ok(used.run_time_ms > 0);
  assert.deepEqual(await budgetOf(id), {
    ...(await budgetOf(id)),
    used: used.prompt_tokens + used.generated_tokens,
    reserved: 0,
  });
});

test("a run's lines are found and followed, and a declared secret stands in none of them", async () => {
  const secret = "hunter2-or-three";
  const path = join(directory, "talker");
  await mkdir(join(path, "model"), { recursive: true });
  await writeFile(join(path, "config.yaml"), `model_name: talker\nsecrets:\n  word: null\n`);
  await writeFile(
    join(path, "model/model.ts"),
    `import { secrets } from "@corral/model";
    export async function predict({ name }: { name: string }) {
      const word = String(await secrets.get("word"));
      console.log("hello " + name + " " + word);
      process.stdout.write("raw " + word.slice(0, 7));
      await new Promise((resolve) => setTimeout(resolve, 20));
      process.stdout.write(word.slice(7) + "\\n" + "x".repeat(8_190) + word + "\\n");
      return name;
    }`,
  );
  const set = await corral.request("/api/v1/secrets/word", {
    method: "PUT",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ value: secret }),
  });
  assert.ok(set.ok, await set.text());
  assert.equal((await corral.cli("push", path)).code, 0);
  const followed = corral.request("/api/v1/deployments/talker/logs?follow=true&search=hello");
  const reader = (await followed).body!.pipeThrough(new TextDecoderStream()).getReader();
  const runs: string[] = [];
  for (const name of ["ada", "bob"]) {
    const response = await corral.post("/api/v1/deployments/talker/generate", { name });
    runs.push((await json<{ run_id: string }>(response)).run_id);
  }
  let live = "";
  while (live.trim().split("\n").length < 2) live += (await reader.read()).value ?? assert.fail("it ended");
  await reader.cancel();
  assert.match(live, /hello ada \*\*\*.*\n.*hello bob \*\*\*/);
  const { items } = await json<{ items: { run_id: string; level: string; line: string }[] }>(
    await corral.request(`/api/v1/runs/${runs[1]}/logs`),
  );
  assert.ok(items.length > 0 && items.every((item) => item.run_id === runs[1]));
  assert.match(items.map(({ line }) => line).join("\n"), /hello bob \*\*\*/);
  const cli = await corral.cli("logs", "talker", "--run", runs[0] ?? "", "--since", "10m", "--level", "info");
  assert.match(cli.stdout, /hello ada \*\*\*/);
  assert.doesNotMatch(cli.stdout, /bob/);
  const all = await (await corral.request("/api/v1/deployments/talker/logs?tail=1000")).text();
  assert.match(all, /raw \*\*\*/);
  assert.doesNotMatch(all + corral.output(), /hunter2|or-three/);
  const wrong = await corral.request("/api/v1/deployments/talker/logs?run=x&level=loud&tail=0");
  assert.equal(wrong.status, 422);
});
