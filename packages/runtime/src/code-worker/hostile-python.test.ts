// Code that means harm within its own process, in Python: loads and calls that hang, crash, eat memory or flood.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { startTestCode, type TestCode, type TestCodeOptions } from "../testing/code-worker.ts";
import { pythonProgram } from "./python/program.ts";
import { anyPython } from "./python/testing/python-worker.ts";
import { mostBytesPerSecond } from "./author-lines.ts";

const python = await anyPython();
const skip = python === null ? "there is no Python from 3.9 on" : false;
const memoryBytes = 256 * 1024 ** 2;

function startPython(text: string, options: Partial<TestCodeOptions> = {}): Promise<TestCode> {
  const { start, ...rest } = options;
  return startTestCode({
    files: { "model/model.py": text },
    program: pythonProgram(python ?? "", process.env),
    start: { file: "model/model.py", class_name: "Model", ...start },
    memoryBytes,
    ...rest,
  });
}

const every = `
import math, os, threading, time

class Model:
    def predict(self, wanted):
        return getattr(self, wanted)()

    def fine(self):
        return "fine"

    def spin(self):
        while True:
            pass

    def hold(self):
        # Nothing stops a thread that waits for a lock nobody gives back.
        lock = threading.Lock()
        lock.acquire()
        lock.acquire()

    def set(self):
        return {1, 2}

    def object(self):
        return object()

    def cycle(self):
        value = []
        value.append(value)
        return value

    def stream(self):
        def pieces():
            while True:
                yield "x" * 1000
        return pieces()

    def value(self):
        return "x" * 300_000

    def log(self):
        for _ in range(20_000):
            print("y" * 100)
        return "logged"

    def die(self):
        os._exit(3)

    def crash(self):
        os.abort()

    def eat(self):
        kept = []
        while True:
            kept.append(b"x" * 16 * 1024 * 1024)
            time.sleep(0.02)

    def frame(self):
        os.write(3, b"\\xff" * 64)
        time.sleep(60)
`;

/** A method of the model. */
const said = (what: string) => JSON.stringify(what);

describe("Python that means harm", { concurrency: 3, skip }, () => {
  test("a predict that never returns costs the calls of its worker when its time is over", async () => {
    for (const what of ["spin", "hold"]) {
      await using code = await startPython(every);
      const blocked = await code.call(said(what), { timeoutMs: 200 });
      assert.equal(blocked.failure?.reason, "timeout", what);
      assert.equal((await code.call(said("fine"))).text, `"fine"`, what);
    }
  });

  test("what JSON cannot hold is the code's failure, and costs nothing but its call", async () => {
    await using code = await startPython(every);
    for (const what of ["set", "object", "cycle"])
      assert.equal((await code.call(said(what))).failure?.reason, "unserialisable", what);
    assert.equal((await code.call(said("fine"))).text, `"fine"`);
    assert.equal(code.worker.restartCount, 0);
  });

  test("an answer without an end is cut at its limit, and others are not disturbed", async () => {
    await using code = await startPython(every, { start: { answer_bytes: 200_000 } });
    const [stream, value, fine] = await Promise.all([
      code.call(said("stream")),
      code.call(said("value")),
      code.call(said("fine")),
    ]);
    assert.equal(stream.failure?.reason, "too_large");
    assert.ok(stream.text.length <= 200_000);
    assert.equal(value.failure?.reason, "too_large");
    assert.equal(fine.text, `"fine"`);
    const began = performance.now();
    assert.equal((await code.call(said("log"))).text, `"logged"`);
    // A slow machine takes longer over it, and each second has its own bound.
    const seconds = Math.ceil((performance.now() - began) / 1_000) + 1;
    assert.ok(
      code.logLines.length < 100 + seconds * (mostBytesPerSecond / 100),
      "a flood of lines is bounded",
    );
    assert.equal(code.worker.restartCount, 0);
  });

  test("a process that exits, aborts, eats memory or breaks the protocol costs its call alone", async () => {
    const expectations = { die: /status 3/, crash: /SIGABRT/, frame: /over the limit|no JSON|not one of/ };
    for (const [what, expected] of Object.entries(expectations)) {
      await using code = await startPython(every);
      const lost = await code.call(said(what));
      assert.equal(lost.failure?.reason, "lost", what);
      assert.match(lost.failure.message, expected);
      assert.equal((await code.call(said("fine"))).text, `"fine"`, what);
    }
    await using code = await startPython(every);
    const eaten = await code.call(said("eat"));
    assert.match(eaten.failure?.message ?? "", /more than its 268435456 bytes of memory/);
    assert.equal((await code.call(said("fine"))).text, `"fine"`);
  });

  test("a load that throws, hangs, exits or eats memory is told of", async () => {
    const loads = [
      ["raise OSError('no model')", /Its load failed.*no model/s],
      ["import time; time.sleep(600)", /did not end within 1500 ms/],
      ["import os; os._exit(0)", /ended with status 0/],
      [
        "import time\n        kept = []\n        while True:\n            kept.append(b'x' * 16 * 1024 * 1024); time.sleep(0.02)",
        /more than its 268435456 bytes of memory/,
      ],
    ] as const;
    for (const [load, expected] of loads) {
      const text = `class Model:\n    def load(self):\n        ${load}\n    def predict(self, x):\n        return x\n`;
      const loadTimeoutMs = load.includes("600") ? 1_500 : 20_000;
      await assert.rejects(startPython(text, { loadTimeoutMs }), (error: Error & { code?: string }) => {
        assert.match(error.message, expected);
        return /^code_(not_loaded|load_failed)$/.test(error.code ?? "");
      });
    }
  });
});
