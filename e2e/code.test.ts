// A model with code of its own: made, pushed, called through every family, logged, and what goes wrong in it. Through
// the `corral` command and HTTP.

import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import OpenAI from "openai";
import { json, repository, startCorral, type Corral } from "./harness.ts";

let corral: Corral;
let directory: string;
before(async () => {
  corral = await startCorral({ quickstart: false });
  directory = await mkdtemp(join(tmpdir(), "corral-code-"));
});
after(async () => {
  await corral[Symbol.asyncDispose]();
  await rm(directory, { recursive: true, force: true });
});

async function pushCode(name: string, code: string, settings = ""): Promise<{ id: string }> {
  const path = join(directory, name);
  await mkdir(join(path, "model"), { recursive: true });
  await writeFile(join(path, "config.yaml"), `model_name: ${name}\n${settings}`);
  await writeFile(join(path, "model/model.ts"), code);
  const { code: status, stdout, stderr } = await corral.cli("push", path, "--output", "json");
  assert.equal(status, 0, stderr);
  return JSON.parse(stdout) as { id: string };
}

test("a directory made by corral init --template typescript is pushed and answers", async () => {
  const made = join(directory, "words");
  assert.equal((await corral.cli("init", made, "--template", "typescript")).code, 0);
  const pushed = await corral.cli("push", made, "--output", "json");
  assert.equal(pushed.code, 0, pushed.stderr);
  const said = await corral.cli(
    "predict",
    "words",
    "-d",
    '{"text": "The dog and the fox and a dog", "top": 1}',
  );
  assert.equal(said.code, 0, said.stderr);
  assert.deepEqual(JSON.parse(said.stdout), { words: [{ word: "dog", count: 2 }] });
  const refused = await corral.post("/models/words/predict", { text: 1 });
  assert.equal(refused.status, 400);
  assert.match((await json<{ error: string }>(refused)).error, /^Input Parsing Error: text: /);
});

test("code with weights generates with its own model, its run has the usage, and its log the run", async () => {
  await pushCode(
    "asker",
    `import { llm } from "@corral/model";
    export async function predict({ question }: { question: string }) {
      console.log("asked");
      const messages = [{ role: "user", content: question }];
      const { result, usage } = await llm.generate({ messages, max_new_tokens: 12, do_sample: false });
      return { answer: result[0].generated_text, generated: usage.generated_tokens };
    }`,
    "model_metadata:\n  corral:\n    weights: corral-tiny-3\n",
  );
  const response = await corral.post("/api/v1/deployments/asker/generate", {
    question: "What is beam search?",
  });
  const { run_id: runId, result } = await json<{
    run_id: string;
    result: { answer: unknown; generated: number };
  }>(response);
  assert.equal(response.status, 200);
  assert.ok(result.generated > 0);
  const run = await json<{ status: string; output: unknown; usage: { generated_tokens: number } }>(
    await corral.request(`/runs/${runId}`),
  );
  assert.deepEqual([run.status, run.usage.generated_tokens], ["succeeded", result.generated]);
  assert.deepEqual(run.output, result);
  const logs = await corral.cli("logs", "asker");
  assert.match(logs.stdout, new RegExp(`asked.*${runId}|${runId}.*asked`));
});

test("code that cannot be loaded fails its deployment with file and line", async () => {
  const path = join(directory, "broken");
  await mkdir(join(path, "model"), { recursive: true });
  await writeFile(join(path, "config.yaml"), "model_name: broken\n");
  await writeFile(join(path, "model/model.ts"), "export enum Kind { A }\nexport const predict = () => 1;\n");
  const pushed = await corral.cli("push", path);
  assert.notEqual(pushed.code, 0);
  assert.match(pushed.stderr, /model\/model\.ts line 1/);
});

test("examples/rag-chat finds the passages of a question, answers with them, and talks to OpenAI's client", async () => {
  const pushed = await corral.cli("push", join(repository, "examples/rag-chat"));
  assert.equal(pushed.code, 0, pushed.stderr);
  const expected = {
    "What is beam search?": "generation.md: Beam search",
    "How do I push a model?": "corral.md: Pushing a model",
    "How do I get a refund?": "support.md: Refunds",
  };
  for (const [question, source] of Object.entries(expected)) {
    const said = await corral.cli("predict", "rag-chat", "-d", JSON.stringify({ question }));
    assert.equal(said.code, 0, said.stderr);
    const { answer, sources } = JSON.parse(said.stdout) as { answer: string; sources: { source: string }[] };
    assert.equal(sources[0]?.source, source);
    assert.notEqual(answer, "");
  }
  const streamed = await corral.cli(
    "predict",
    "rag-chat",
    "--stream",
    "-d",
    '{"question": "What is Corral?"}',
  );
  assert.match(streamed.stdout, /Corral/);

  const client = new OpenAI({ apiKey: corral.key, baseURL: `${corral.url}/v1` });
  const messages = [{ role: "user" as const, content: "What is the sampling temperature?" }];
  const whole = await client.chat.completions.create({ model: "rag-chat", messages });
  const text = whole.choices[0]?.message.content ?? "";
  assert.match(text, /emperature/);
  assert.ok((whole.usage?.completion_tokens ?? 0) > 0);
  let pieces = "";
  for await (const { choices } of await client.chat.completions.create({
    model: "rag-chat",
    messages,
    stream: true,
  }))
    pieces += choices[0]?.delta.content ?? "";
  assert.equal(pieces.trim(), text);
});
