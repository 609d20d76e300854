// What an operator's Prometheus sees of the calls that were made.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { parseExposition, valueOf, type Family } from "./exposition.ts";
import { json, startCorral, waitUntil, type Corral } from "./harness.ts";

let corral: Corral;
let key = "";
before(async () => {
  corral = await startCorral();
  const { stdout } = await corral.cli("keys", "create", "prometheus", "--scope", "metrics");
  key = stdout.trim();
});
after(async () => {
  await corral[Symbol.asyncDispose]();
});

const deployment = "corral-tiny-3";

interface Answer {
  readonly model_output: {
    readonly usage: { readonly prompt_tokens: number; readonly generated_tokens: number };
    readonly finish_reason: string;
  };
}

async function scrape(): Promise<ReadonlyMap<string, Family>> {
  const response = await fetch(`${corral.url}/metrics`, { headers: { authorization: `Bearer ${key}` } });
  assert.equal(response.status, 200);
  assert.equal(response.headers.get("content-type"), "text/plain; version=0.0.4; charset=utf-8");
  return parseExposition(await response.text());
}

test("the exported counts are those of the calls that were answered", async () => {
  const ask = (body: object) =>
    corral.post(`/models/${deployment}/predict`, {
      messages: [{ role: "user", content: "What even is AGI?" }],
      do_sample: false,
      num_beams: 1,
      ...body,
    });
  const answers: Answer[] = [];
  for (const body of [
    {},
    { max_new_tokens: 5, eos_token_id: null },
    { max_new_tokens: 40, eos_token_id: null, stream: false },
    { max_new_tokens: 1, eos_token_id: null },
  ]) {
    const response = await ask(body);
    assert.equal(response.status, 200);
    answers.push(await json<Answer>(response));
  }
  // What is refused is no call of the model.
  assert.equal((await ask({ max_new_tokens: -1 })).status, 422);

  const total = (count: (answer: Answer) => number) =>
    answers.reduce((sum, answer) => sum + count(answer), 0);
  const promptTokens = total(({ model_output: { usage } }) => usage.prompt_tokens);
  const generatedTokens = total(({ model_output: { usage } }) => usage.generated_tokens);
  const endedFor = (reason: string) =>
    total(({ model_output }) => Number(model_output.finish_reason === reason));
  assert.ok(endedFor("stop") === 1 && endedFor("length") === 3, JSON.stringify(answers));

  const labels = { deployment, model_name: deployment };
  await waitUntil("all calls are counted", 10_000, async () => {
    const count = valueOf(await scrape(), "vllm:e2e_request_latency_seconds_count", labels);
    return count === answers.length;
  });
  const families = await scrape();
  const value = (name: string, more: Record<string, string> = {}) =>
    valueOf(families, name, { ...labels, ...more });
  assert.equal(value("vllm:prompt_tokens_total"), promptTokens);
  assert.equal(value("vllm:generation_tokens_total"), generatedTokens);
  for (const reason of ["stop", "length", "abort", "error"])
    assert.equal(value("vllm:request_success_total", { finished_reason: reason }), endedFor(reason), reason);
  for (const name of [
    "vllm:time_to_first_token_seconds",
    "vllm:request_queue_time_seconds",
    "vllm:request_prefill_time_seconds",
    "vllm:request_decode_time_seconds",
    "vllm:request_prompt_tokens",
    "vllm:request_generation_tokens",
  ])
    assert.equal(value(`${name}_count`), answers.length, name);
  assert.equal(value("vllm:request_prompt_tokens_sum"), promptTokens);
  assert.equal(value("vllm:inter_token_latency_seconds_count"), generatedTokens - answers.length);
  assert.ok(value("vllm:time_to_first_token_seconds_sum") <= value("vllm:e2e_request_latency_seconds_sum"));

  // A generated token is computed to choose the next one, so the last of each call is not.
  const [prefill, decode] = ["prefill", "decode"].map((phase) =>
    value("corral_step_tokens_total", { phase }),
  );
  assert.equal(decode, generatedTokens - answers.length);
  assert.equal((prefill ?? 0) + value("vllm:prefix_cache_hits_total"), promptTokens);
  assert.equal(value("vllm:iteration_tokens_total_sum"), (prefill ?? 0) + (decode ?? 0));
  assert.equal(value("vllm:iteration_tokens_total_count"), value("corral_steps_total"));
  assert.ok(value("corral_decode_seconds_total") > 0 && value("corral_host_seconds_total") > 0);

  assert.equal(value("vllm:num_requests_running"), 0);
  assert.equal(value("vllm:num_requests_waiting"), 0);
  const usage = value("vllm:kv_cache_usage_perc");
  assert.ok(usage >= 0 && usage < 1);
  assert.equal(value("corral_replica_ready"), 1);
  assert.equal(value("corral_replica_restarts_total"), 0);
  assert.ok(value("corral_replica_resident_memory_bytes") > 1_000_000);
});

test("every deployment has its series, under its own name", async () => {
  const families = await scrape();
  const names = families.get("corral_replica_ready")?.samples.map(({ labels }) => labels["deployment"]);
  assert.deepEqual(names?.toSorted(), ["corral-tiny-2", "corral-tiny-3"]);
  assert.equal(valueOf(families, "vllm:prompt_tokens_total", { deployment: "corral-tiny-2" }), 0);
});

test("a key without the scope is refused, and so is a scrape without a key", async () => {
  assert.equal((await fetch(`${corral.url}/metrics`)).status, 401);
  const reader = (await corral.cli("keys", "create", "reader", "--scope", "read")).stdout.trim();
  const headers = { authorization: `Bearer ${reader}` };
  assert.equal((await fetch(`${corral.url}/metrics`, { headers })).status, 403);
  const other = await fetch(`${corral.url}/api/v1/deployments`, {
    headers: { authorization: `Bearer ${key}` },
  });
  assert.equal(other.status, 403, "the scope opens nothing else");
});
