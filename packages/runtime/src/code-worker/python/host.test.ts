// Calls of a Python worker by its messages, with models that need no package.

import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { test } from "node:test";
import { loadModel, skipWithoutPython as skip, textOf } from "./testing/python-model.ts";

test("a model is loaded, called, and ended when told to", { skip }, async (t) => {
  const worker = await loadModel(
    t,
    `
class Model:
    def __init__(self, config, data_dir, secrets):
        self.name, self.secrets = config["model_metadata"]["name"], secrets
    def load(self):
        print("loading")
    def predict(self, model_input):
        return {"name": self.name, "input": model_input, "key": self.secrets["key"]}
`,
    {
      config: { model_metadata: { name: "mine" }, secrets: { key: null } },
      start: { secrets: { key: "s3" } },
    },
  );
  const stages = worker.messages.flatMap((message) => (message.kind === "stage" ? message.stage : []));
  assert.deepEqual(stages, ["import", "construct", "load"]);
  assert.deepEqual((await worker.heard("loaded")).methods, ["predict"]);
  const answer = await worker.call("predict", { a: "ü" }).done;
  assert.equal(textOf(answer), `{"name": "mine", "input": {"a": "\\u00fc"}, "key": "s3"}`);
  assert.deepEqual(answer.head?.headers, [["content-type", "application/json"]]);
  worker.send({ kind: "shutdown" });
  assert.equal(await worker.ended, 0);
  assert.match(worker.printed(), /loading/);
});

test("a generator and an iterator, async or not, promise a stream; a list does not", { skip }, async (t) => {
  const promised = async (annotation: string) => {
    const worker = await loadModel(
      t,
      `
import typing
class Model:
    def predict(self, model_input) -> typing.${annotation}:
        yield "a"
`,
    );
    return (await worker.heard("loaded")).schemas?.supports_streaming ?? null;
  };
  const kinds = ["Generator[str, None, None]", "Iterator[str]", "AsyncIterator[str]", "List[str]"];
  assert.deepEqual(await Promise.all(kinds.map(promised)), [true, true, true, null]);
});

test("what the code raises is told with its place, and only the author's frames", { skip }, async (t) => {
  const worker = await loadModel(
    t,
    `
class Model:
    def predict(self, model_input):
        return self.deeper(model_input)
    def deeper(self, model_input):
        raise ValueError("too deep")
`,
  );
  const { error } = await worker.call("predict").done;
  assert.equal(error?.reason, "exception");
  assert.equal(error?.message, "ValueError: too deep");
  assert.match(error?.traceback ?? "", /^Traceback.*\n  File ".*model\/model\.py", line 4, in predict/);
  const line = worker.messages.find((message) => message.kind === "log" && message.level === "error");
  assert.equal(line?.kind === "log" && line.run_id, "run-1");
});

test(
  "a body that is no JSON, an answer that JSON cannot hold and a method that is not there have reasons of their own",
  { skip },
  async (t) => {
    const worker = await loadModel(
      t,
      "class Model:\n    def predict(self, model_input):\n        return {1, 2}\n",
    );
    const broken = await worker.call("predict", Buffer.from("{")).done;
    assert.equal(broken.error?.reason, "invalid_json");
    assert.match(broken.error?.message ?? "", /^Invalid JSON payload: Expecting property name/);
    assert.equal((await worker.call("predict", Buffer.from([0xff])).done).error?.reason, "invalid_json");
    assert.equal(
      (await worker.call("predict", Buffer.from("[".repeat(100_000))).done).error?.reason,
      "invalid_json",
    );
    const set = await worker.call("predict").done;
    assert.equal(set.error?.reason, "unserialisable");
    assert.equal(set.error?.message, "TypeError: Object of type set is not JSON serializable");
    assert.equal((await worker.call("completions").done).error?.reason, "no_method");
  },
);

test(
  "sys.exit in a method is an error like any other, in a thread, a coroutine and a generator",
  { skip },
  async (t) => {
    const worker = await loadModel(
      t,
      `
import sys
class Model:
    def predict(self, model_input):
        sys.exit("no")
    async def completions(self, model_input):
        raise SystemExit(3)
    def messages(self, model_input):
        yield "a"
        raise KeyboardInterrupt()
    def responses(self, model_input):
        return "still here"
`,
    );
    for (const method of ["predict", "completions", "messages"])
      assert.equal((await worker.call(method).done).error?.reason, "exception", method);
    assert.equal(textOf(await worker.call("responses").done), `"still here"`);
  },
);

test(
  "a generator's pieces are sent as they come, and collected for who asks for JSON",
  { skip },
  async (t) => {
    const worker = await loadModel(
      t,
      `
import asyncio
class Model:
    def predict(self, model_input):
        yield "a"
        yield b"b"
    async def completions(self, model_input):
        for word in model_input:
            await asyncio.sleep(0)
            yield word
        raise RuntimeError("after the last")
`,
    );
    const streamed = await worker.call("predict").done;
    assert.deepEqual(streamed.head?.headers, [["content-type", "application/octet-stream"]]);
    assert.deepEqual(streamed.pieces.map(String), ["a", "b"]);
    const asked = [["accept", "application/json"]] as const;
    assert.equal(textOf(await worker.call("predict", null, asked).done), `"ab"`);
    const openai = [...asked, ["user-agent", "OpenAI/JS 6"]] as const;
    assert.equal(textOf(await worker.call("predict", null, openai).done), "ab");
    const failed = await worker.call("completions", ["x", "y"]).done;
    assert.deepEqual(failed.pieces.map(String), ["x", "y"]);
    assert.equal(failed.error?.reason, "exception");
  },
);

test("predict waits for its turn, and says so; other methods do not", { skip }, async (t) => {
  const worker = await loadModel(
    t,
    `
import time
class Model:
    def __init__(self):
        self.running, self.most = 0, 0
    def predict(self, model_input):
        self.running += 1
        self.most = max(self.most, self.running)
        time.sleep(0.1)
        self.running -= 1
        return self.most
    def completions(self, model_input):
        return "beside"
`,
    { start: { predict_concurrency: 2 } },
  );
  const calls = Array.from({ length: 5 }, () => worker.call("predict"));
  assert.equal(textOf(await worker.call("completions").done), `"beside"`);
  const answers = await Promise.all(calls.map(({ done }) => done));
  assert.ok(answers.every((answer) => Number(textOf(answer)) <= 2));
  const kinds = (kind: string) => worker.messages.filter((message) => message.kind === kind).length;
  assert.equal(kinds("waiting"), 3);
  assert.equal(kinds("begun"), 3);
});

test(
  "a canceled call ends as canceled, whether the code is a coroutine, a loop or a generator",
  { skip },
  async (t) => {
    const worker = await loadModel(
      t,
      `
import asyncio, time
class Model:
    def __init__(self):
        self.cleaned = []
    async def predict(self, model_input):
        try:
            await asyncio.sleep(60)
        finally:
            self.cleaned.append("coroutine")
    def completions(self, model_input):
        try:
            while True:
                time.sleep(0.01)
        except Exception:
            self.cleaned.append("never")
        finally:
            self.cleaned.append("loop")
    def messages(self, model_input):
        try:
            while True:
                yield "x"
                time.sleep(0.01)
        finally:
            self.cleaned.append("generator")
    def responses(self, model_input):
        return self.cleaned
`,
    );
    for (const method of ["predict", "completions", "messages"]) {
      const { id, done } = worker.call(method);
      await sleep(50);
      worker.send({ kind: "cancel", id });
      assert.equal((await done).error?.reason, "canceled", method);
    }
    assert.deepEqual(JSON.parse(textOf(await worker.call("responses").done)), [
      "coroutine",
      "loop",
      "generator",
    ]);
    assert.equal(
      (await worker.call("predict", Buffer.from("{")).done).error?.reason,
      "invalid_json",
      "its turn is free",
    );
  },
);

test("a paused stream takes nothing from the generator until it is resumed", { skip }, async (t) => {
  const worker = await loadModel(
    t,
    `
class Model:
    def __init__(self):
        self.taken = 0
    def predict(self, model_input):
        for _ in range(100000):
            self.taken += 1
            yield "x" * 100
    def completions(self, model_input):
        return self.taken
`,
  );
  const { id, done } = worker.call("predict");
  worker.send({ kind: "pause", id });
  const taken = async () => Number(textOf(await worker.call("completions").done));
  await sleep(100);
  const before = await taken();
  await sleep(100);
  assert.equal(await taken(), before);
  assert.ok(before < 100_000);
  worker.send({ kind: "resume", id });
  await sleep(50);
  assert.ok((await taken()) > before);
  worker.send({ kind: "cancel", id });
  await done;
});

test("an answer over the limit is refused, whole or streamed", { skip }, async (t) => {
  const worker = await loadModel(
    t,
    `
class Model:
    def predict(self, model_input):
        return "x" * 2000
    def completions(self, model_input):
        while True:
            yield "x" * 100
`,
    { start: { answer_bytes: 1000 } },
  );
  assert.equal((await worker.call("predict").done).error?.reason, "too_large");
  const streamed = await worker.call("completions").done;
  assert.equal(streamed.error?.reason, "too_large");
  assert.ok(streamed.pieces.length <= 10);
});
