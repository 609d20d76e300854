// `from corral import llm` by the messages it becomes; the replica's answers are the test's.

import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import type { WorkerMessage } from "../protocol.ts";
import { anyPython, startPythonWorker, type PythonWorker } from "./testing/python-worker.ts";

const python = await anyPython();
const skip = python === null ? "there is no Python from 3.9 on" : false;

type LlmCall = Extract<WorkerMessage, { kind: "call" }>;

async function load(
  t: TestContext,
  code: string,
  answer: (worker: PythonWorker, call: LlmCall, body: unknown) => void,
) {
  const worker = await startPythonWorker(t, { python: python ?? "", files: { "model/model.py": code } });
  const calls: { readonly call: LlmCall; readonly body: unknown }[] = [];
  worker.onCall = (call, bytes) => {
    const body = JSON.parse(bytes.toString());
    calls.push({ call, body });
    answer(worker, call, body);
  };
  await worker.heard("loaded");
  const predict = async (body: unknown = null, method = "predict") => {
    const { pieces, error } = await worker.call(method, body).done;
    return error === null ? Buffer.concat(pieces).toString() : (error.traceback ?? error.message);
  };
  return { worker, calls, predict };
}

const json = (value: unknown) => Buffer.from(JSON.stringify(value));
const whole = (worker: PythonWorker, id: number, value: unknown) =>
  worker.send(
    { kind: "answer", id, status: 200, headers: [["content-type", "application/json"]], stream: false },
    json(value),
  );

test("a plain method waits for the engine, a coroutine awaits it", { skip }, async (t) => {
  const { calls, predict } = await load(
    t,
    `
from corral import llm
class Model:
    def predict(self, model_input):
        return llm.generate(model_input, max_new_tokens=3)["result"]
    async def completions(self, model_input):
        return (await llm.aio.generate(messages=[{"role": "user", "content": model_input}], deployment="other"))["result"]
`,
    (worker, call) => whole(worker, call.id, { result: `answer ${call.id}` }),
  );
  assert.equal(await predict("once"), `"answer 1"`);
  assert.equal(await predict("hi", "completions"), `"answer 2"`);
  assert.deepEqual(calls, [
    {
      call: { kind: "call", id: 1, method: "llm.generate", during: 1 },
      body: { prompt: "once", max_new_tokens: 3 },
    },
    {
      call: { kind: "call", id: 2, method: "llm.generate", during: 2, deployment: "other" },
      body: { messages: [{ role: "user", content: "hi" }] },
    },
  ]);
});

test("texts of a stream come one by one, and its answer is known at the end", { skip }, async (t) => {
  const { predict } = await load(
    t,
    `
from corral import llm
class Model:
    def predict(self, model_input):
        stream = llm.stream("p")
        for text in stream:
            yield text + "|"
        yield str(stream.answer["usage"])
    async def completions(self, model_input):
        stream = llm.aio.stream("p")
        async for text in stream:
            yield text + "/"
        yield str(stream.answer["usage"])
`,
    (worker, { id }) => {
      worker.send({ kind: "answer", id, status: 200, headers: [], stream: true });
      for (const piece of [{ text: "a" }, { text: "b" }, { done: { usage: 2 } }])
        worker.send({ kind: "chunk", id }, json(piece));
      worker.send({ kind: "end", id });
    },
  );
  assert.equal(await predict(), "a|b|2");
  assert.equal(await predict(null, "completions"), "a/b/2");
});

test("a stream that the code leaves is canceled", { skip }, async (t) => {
  const { worker, predict } = await load(
    t,
    `
from corral import llm
class Model:
    def predict(self, model_input):
        for text in llm.stream("p"):
            return text
`,
    (worker, { id }) => {
      worker.send({ kind: "answer", id, status: 200, headers: [], stream: true });
      worker.send({ kind: "chunk", id }, json({ text: "first" }));
    },
  );
  assert.equal(await predict(), `"first"`);
  assert.equal((await worker.heard("cancel")).id, 1);
});

test(
  "a refusal is an exception with its code, and names the remedy for a call that would block",
  { skip },
  async (t) => {
    const { predict } = await load(
      t,
      `
from corral import CallRefused, llm
class Model:
    def predict(self, model_input):
        try:
            llm.embed(input="x")
        except CallRefused as refused:
            return [refused.code, str(refused)]
    async def completions(self, model_input):
        return llm.generate("x")
`,
      (worker, { id }) =>
        worker.send({
          kind: "error",
          id,
          reason: "refused",
          code: "unsupported_parameter",
          message: "No embeddings here.",
        }),
    );
    assert.equal(await predict(), `["unsupported_parameter", "No embeddings here."]`);
    assert.match(await predict(null, "completions"), /in async code write llm\.aio\.generate/);
  },
);

test("tokens and prompts are plain values", { skip }, async (t) => {
  const { predict, calls } = await load(
    t,
    `
from corral import llm
class Model:
    def load(self):
        self.ids = llm.tokenize("a b", add_special_tokens=False)
    def predict(self, model_input):
        return [self.ids, llm.detokenize(self.ids), llm.render(prompt="x")["text"]]
`,
    (worker, { id, method }) =>
      whole(worker, id, method === "llm.tokenize" ? { ids: [1, 2] } : { text: method, ids: [] }),
  );
  assert.equal(await predict(), `[[1, 2], "llm.detokenize", "llm.render"]`);
  assert.equal(calls[0]?.call.during, null, "load belongs to no call");
});
