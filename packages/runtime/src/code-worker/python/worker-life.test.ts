// The life of a Python worker by its messages: loading, reloading, what it says, and its end.

import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { test } from "node:test";
import { loadModel, skipWithoutPython as skip, startModel, textOf } from "./testing/python-model.ts";

test("load is tried again once; what fails for good is told with file and line", { skip }, async (t) => {
  const once = await loadModel(
    t,
    `
class Model:
    tries = 0
    def load(self):
        Model.tries += 1
        if Model.tries == 1:
            raise OSError("not yet")
    def predict(self, model_input):
        return Model.tries
`,
  );
  assert.equal(textOf(await once.call("predict").done), "2");
  const never = await startModel(
    t,
    "class Model:\n    def load(self):\n        raise OSError('never')\n    def predict(self, x):\n        pass\n",
    {
      start: { load_retries: 0 },
    },
  );
  const { stage, message, file, line } = await never.heard("failed");
  assert.deepEqual(
    { stage, message, file, line },
    { stage: "load", message: "OSError: never", file: "model/model.py", line: 3 },
  );
  assert.equal(await never.ended, 1);
});

test("code that cannot be read, and a class that is no model, say where and why", { skip }, async (t) => {
  const failure = async (code: string) => {
    const { stage, message, line } = await (await startModel(t, code)).heard("failed");
    return [stage, line, message] as const;
  };
  const [stage, line] = await failure("class Model:\n    def predict(self x):\n        pass\n");
  assert.deepEqual([stage, line], ["import", 2]);
  assert.deepEqual(
    (await failure("class Other:\n    pass\n"))[2],
    "AttributeError: model/model.py has no class Model.",
  );
  assert.match(
    (await failure("from . import helper\nclass Model:\n    pass\n"))[2],
    /write `from model\.name import …`/,
  );
  assert.match((await failure("import no_such_package\n"))[2], /No module named 'no_such_package'/);
  const [definition, , why] = await failure("class Model:\n    def run(self):\n        pass\n");
  assert.equal(definition, "definition");
  assert.match(why, /must have a `predict` or `websocket` method/);
  assert.match(
    (await failure("class Model:\n    def predict(self, a, b, c):\n        pass\n"))[2],
    /more than two arguments/,
  );
  assert.match((await failure("import sys\nsys.exit('no')\n"))[2], /SystemExit: no/);
});

test("code of the bundle is found beside the model and in its packages", { skip }, async (t) => {
  const worker = await loadModel(
    t,
    "from bundled import a\nfrom model.beside import b\nclass Model:\n    def predict(self, x):\n        return [a, b]\n",
    { files: { "packages/bundled.py": "a = 1\n", "model/beside.py": "b = 2\n" } },
  );
  assert.equal(textOf(await worker.call("predict").done), "[1, 2]");
});

test(
  "a reload takes the new code and keeps the object; a broken edit leaves the old code in place",
  { skip },
  async (t) => {
    const code = (version: number) => `
from model.beside import extra
class Model:
    def load(self):
        self.state = "loaded"
    def predict(self, model_input):
        return [${version}, extra, self.state]
`;
    const worker = await loadModel(t, code(1), { files: { "model/beside.py": "extra = 'a'\n" } });
    const predict = async () => textOf(await worker.call("predict").done);
    assert.equal(await predict(), `[1, "a", "loaded"]`);
    await writeFile(join(worker.directory, "model/model.py"), code(2));
    await writeFile(join(worker.directory, "model/beside.py"), "extra = 'b'\n");
    worker.send({ kind: "reload" });
    assert.deepEqual((await worker.heard("reloaded")).methods, ["predict"]);
    assert.equal(await predict(), `[2, "b", "loaded"]`);
    await writeFile(join(worker.directory, "model/model.py"), "class Model\n");
    worker.send({ kind: "reload" });
    assert.match((await worker.heard("reload_failed")).message, /SyntaxError/);
    assert.equal(await predict(), `[2, "b", "loaded"]`);
  },
);

test(
  "a reload from another directory imports what is there, and one that loads otherwise is not taken",
  { skip },
  async (t) => {
    const code = (version: number, load = "loaded") => `
import os
from packaged import name
class Model:
    def load(self):
        self.state = "${load}"

    def predict(self, model_input):
        from model.late import late
        return [${version}, name, late, self.state, os.path.basename(os.getcwd())]
`;
    const files = (version: number) => ({
      "packages/packaged.py": `name = "p${version}"\n`,
      "model/late.py": `late = "l${version}"\n`,
    });
    const worker = await loadModel(t, code(1), { files: files(1) });
    const next = await mkdtemp(join(tmpdir(), "corral-reload-"));
    t.after(() => rm(next, { recursive: true, force: true }));
    const write = async (text: string) => {
      for (const [path, content] of Object.entries({ ...files(2), "model/model.py": text })) {
        await mkdir(join(next, path, ".."), { recursive: true });
        await writeFile(join(next, path), content);
      }
    };
    const predict = async () => JSON.parse(textOf(await worker.call("predict").done)) as unknown;
    const reload = () =>
      worker.send({ kind: "reload", directory: next, packages_directory: join(next, "packages") });
    const old = [1, "p1", "l1", "loaded", basename(worker.directory)];
    assert.deepEqual(await predict(), old);
    await write(code(2, "loaded otherwise"));
    reload();
    const failed = await worker.heard("reload_failed");
    assert.deepEqual([failed.needs_load, failed.message], [true, "`load` has changed, and runs again."]);
    assert.deepEqual(await predict(), old);
    await write("\n\nclass Model(:\n");
    reload();
    const failures = () => worker.messages.filter((message) => message.kind === "reload_failed");
    while (failures().length < 2) await sleep(10);
    const broken = failures()[1];
    assert.ok(broken?.kind === "reload_failed");
    assert.deepEqual([broken.file, broken.line, broken.needs_load], ["model/model.py", 3, undefined]);
    assert.deepEqual(await predict(), old);
    await write(`\n# further down\n${code(2)}`);
    reload();
    await worker.heard("reloaded");
    assert.deepEqual(await predict(), [2, "p2", "l2", "loaded", basename(next)]);
  },
);

test("health and the environment are the model's to know", { skip }, async (t) => {
  const worker = await loadModel(
    t,
    `
class Model:
    seen = []
    async def setup_environment(self, environment):
        self.seen.append(environment)
    def is_healthy(self):
        return len(self.seen) == 1
    def predict(self, model_input):
        return self.seen
`,
    { start: { environment: { name: "staging" } } },
  );
  assert.equal(textOf(await worker.call("is_healthy").done), "true");
  for (const name of ["staging", null, "production"])
    worker.send({ kind: "environment", environment: name === null ? null : { name } });
  const seen = async () => textOf(await worker.call("predict").done);
  while (!(await seen()).includes("production")) await sleep(10);
  assert.equal(await seen(), `[{"name": "staging"}, {"name": "production"}]`);
  assert.equal(textOf(await worker.call("is_healthy").done), "false");
});

test("what the code logs comes with its run, also while its loop is blocked", { skip }, async (t) => {
  const worker = await loadModel(
    t,
    `
import logging, time
class Model:
    async def predict(self, model_input):
        logging.getLogger("mine").warning("about to block")
        time.sleep(0.5)
        return "done"
`,
  );
  let isAnswered = false;
  const done = worker.call("predict").done.finally(() => (isAnswered = true));
  const found = () =>
    worker.messages.find((message) => message.kind === "log" && message.message.includes("about to block"));
  while (found() === undefined) await sleep(10);
  assert.equal(isAnswered, false, "the line did not wait for the loop");
  assert.deepEqual(found(), { kind: "log", level: "warn", message: "mine: about to block", run_id: "run-1" });
  worker.send({ kind: "ping", number: 7 });
  assert.equal(textOf(await done), `"done"`);
  assert.equal((await worker.heard("pong")).number, 7);
});

test(
  "what the code prints during a call is of its run, and what it prints otherwise is nobody's",
  { skip },
  async (t) => {
    const worker = await loadModel(
      t,
      `
import sys
class Model:
    def load(self):
        print("while loading")
    def predict(self, model_input):
        print("in a thread", 1)
        print("no end", end="", file=sys.stderr)
        return sys.stdout.isatty()
    async def completions(self, model_input):
        print("in a\\ncoroutine")
`,
    );
    assert.equal(textOf(await worker.call("predict").done), "false");
    await worker.call("completions").done;
    await sleep(20);
    const lines = worker.messages.flatMap((message) =>
      message.kind === "log" && message.run_id !== null ? [[message.run_id, message.message]] : [],
    );
    assert.deepEqual(lines, [
      ["run-1", "in a thread 1"],
      ["run-1", "no end"],
      ["run-2", "in a"],
      ["run-2", "coroutine"],
    ]);
    assert.equal(worker.printed(), "while loading\n");
  },
);

test("a worker whose replica has gone ends at once, with its children", { skip }, async (t) => {
  const worker = await loadModel(
    t,
    `
import subprocess, sys
class Model:
    def load(self):
        self.child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    def predict(self, model_input):
        return self.child.pid
`,
  );
  const pid = Number(textOf(await worker.call("predict").done));
  worker.hangUp();
  assert.equal(await worker.ended, "SIGKILL");
  const isGone = () => {
    try {
      process.kill(pid, 0);
      return false;
    } catch {
      return true;
    }
  };
  while (!isGone()) await sleep(10);
});
