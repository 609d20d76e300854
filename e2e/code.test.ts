// A model with code of its own: made, pushed, called through every family, logged, and what goes wrong in it. Through
// the `corral` command and HTTP.

import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import OpenAI from "openai";
import { freePort, json, repository, startCorral, type Corral } from "./harness.ts";

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

  const document = await corral.request("/api/v1/deployments/words/openapi.json");
  const { components } = await json<{ components: { schemas: Record<string, { required: string[] }> } }>(
    document,
  );
  assert.deepEqual(components.schemas["Input"]?.required, ["text"]);
  const file = join(directory, "words-client.ts");
  assert.equal((await corral.cli("client", "words", "--out", file)).code, 0);
  const { createClient } = (await import(file)) as {
    readonly createClient: (options: object) => { predict(input: unknown): Promise<unknown> };
  };
  const client = createClient({ key: corral.key });
  assert.deepEqual(await client.predict({ text: "fox fox", top: 1 }), { words: [{ word: "fox", count: 2 }] });
  await assert.rejects(client.predict({}), { name: "PredictError", status: 400 });
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

test("a server of the author's is started, called through predict and its own routes, and started again", async () => {
  const path = join(directory, "served");
  const port = await freePort();
  await mkdir(path, { recursive: true });
  await writeFile(
    join(path, "config.yaml"),
    `model_name: served
environment_variables: {GREETING: hello}
docker_server: {start_command: exec python3 server.py ${port}, server_port: ${port}, predict_endpoint: /call, readiness_endpoint: /ready, liveness_endpoint: /ready}
`,
  );
  await writeFile(
    join(path, "server.py"),
    `import json, os, sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.answer(None)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.path == "/die":
            os._exit(1)
        self.answer(json.loads(body))

    def answer(self, given):
        text = json.dumps({"path": self.path, "given": given, "greeting": os.environ["GREETING"]}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
`,
  );
  const pushed = await corral.cli("push", path, "--output", "json");
  assert.equal(pushed.code, 0, pushed.stderr);
  const sync = "/model/served/production/sync";
  const answered = { path: "/call", given: { a: 1 }, greeting: "hello" };
  const wrapped = await json<{ model_output: unknown }>(
    await corral.post("/models/served/predict", { a: 1 }),
  );
  assert.deepEqual(wrapped.model_output, answered);
  assert.deepEqual(await json(await corral.post(`${sync}/v1/models/model:predict`, { a: 1 })), answered);
  assert.equal((await json<{ path: string }>(await corral.request(`${sync}/own?x=1`))).path, "/own?x=1");
  assert.equal((await corral.post(`${sync}/die`, {})).status, 502);
  assert.deepEqual(await json(await corral.post("/model/served/production/predict", { a: 1 })), answered);
  const again = await corral.cli("push", path, "--watch");
  assert.notEqual(again.code, 0);
  assert.match(again.stderr, /docker_server has its port to itself/);
});
