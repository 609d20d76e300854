// A Python model: made, pushed, called through the command and the Baseten routes, streamed, and what goes wrong while
// its environment is made or its code is loaded. Through the `corral` command and HTTP.

import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { json, runCommand, startCorral, type CommandResult, type Corral } from "./harness.ts";

const python = await runCommand("python3", [
  "-c",
  "import sys, venv; sys.exit(sys.version_info < (3, 9))",
]).catch(() => ({ code: 1 }));
const skip = python.code === 0 ? false : "there is no Python from 3.9 on with its venv module";

const uv = `#!/bin/sh
case $1 in
  --version) echo "uv 0.9.0" ;;
  venv) for target; do :; done; exec python3 -m venv --without-pip "$target" ;;
  *) echo "No solution found: there is no version of corral-no-such-package==1.0" >&2; exit 1 ;;
esac
`;

let corral: Corral;
let directory: string;
before(async () => {
  if (skip !== false) return;
  directory = await mkdtemp(join(tmpdir(), "corral-python-"));
  // An installer that makes environments and has no package: what has no requirements must not ask it.
  const tools = join(directory, "tools");
  await mkdir(tools);
  await writeFile(join(tools, "uv"), uv, { mode: 0o755 });
  const env = { PATH: `${tools}:${process.env["PATH"] ?? ""}` };
  corral = await startCorral({ quickstart: false, env });
});
after(async () => {
  if (skip !== false) return;
  await corral[Symbol.asyncDispose]();
  await rm(directory, { recursive: true, force: true });
});

async function push(name: string, code: string, settings = "", ...more: string[]): Promise<CommandResult> {
  const path = join(directory, name);
  await mkdir(join(path, "model"), { recursive: true });
  await writeFile(join(path, "config.yaml"), `model_name: ${name}\n${settings}`);
  await writeFile(join(path, "model/model.py"), code);
  return await corral.cli("push", path, ...more);
}

test(
  "a directory made by corral init --template python is pushed without a package registry and answers",
  { skip },
  async () => {
    const made = join(directory, "words");
    assert.equal((await corral.cli("init", made, "--template", "python")).code, 0);
    const pushed = await corral.cli("push", made, "--output", "json");
    assert.equal(pushed.code, 0, pushed.stderr);
    const input = { text: "The dog and the fox and a dog", top: 1 };
    const answer = { words: [{ word: "dog", count: 2 }] };
    const said = await corral.cli("predict", "words", "-d", JSON.stringify(input));
    assert.equal(said.code, 0, said.stderr);
    assert.deepEqual(JSON.parse(said.stdout), answer);
    const wrapped = await corral.post("/models/words/predict", input);
    assert.deepEqual((await json<{ model_output: unknown }>(wrapped)).model_output, answer);
    const { id } = JSON.parse(pushed.stdout) as { id: string };
    const bare = await corral.post(`/model_versions/${id}/predict`, input);
    assert.deepEqual((await json<{ model_output: unknown }>(bare)).model_output, answer);
    const broken = await corral.post("/models/words/predict", "{");
    assert.match((await json<{ error: string }>(broken)).error, /^Invalid JSON payload: .*line 1 column 2/);
  },
);

test(
  "a Python model reads the project's secret, a default, and says which one is missing",
  { skip },
  async () => {
    const set = await corral.request("/api/v1/secrets/token", {
      method: "PUT",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ value: "of the project" }),
    });
    assert.equal(set.status, 200);
    const pushed = await push(
      "keeper",
      `import os


class Model:
    def __init__(self, **kwargs):
        self._secrets = kwargs["secrets"]

    def predict(self, inputs):
        return {"value": self._secrets[inputs], "in_environment": "of the project" in str(dict(os.environ))}
`,
      "secrets: {token: a default, other: another default, absent: null}\n",
    );
    assert.equal(pushed.code, 0, pushed.stderr);
    const ask = (name: string) => corral.post("/model/keeper/production/predict", JSON.stringify(name));
    assert.deepEqual(await json(await ask("token")), { value: "of the project", in_environment: false });
    assert.deepEqual(await json(await ask("other")), { value: "another default", in_environment: false });
    const missing = await ask("absent");
    assert.equal(missing.status, 500);
    await missing.text();
    assert.match((await corral.cli("logs", "keeper")).stdout, /Secret 'absent' not found/);
  },
);

test(
  "generators stream through the Baseten route, plain and async, and a failure ends them",
  { skip },
  async () => {
    const code = `
import asyncio
class Model:
    def load(self):
        print("read the weights")
    def predict(self, model_input):
        if model_input == "async":
            return self.slowly()
        return (word + " " for word in ["one", "two", "three"])
    async def slowly(self):
        for word in ["a", "b"]:
            yield word
            await asyncio.sleep(0)
`;
    const pushed = await push("streamer", code, "python_version: py39\n");
    assert.equal(pushed.code, 0, pushed.stderr);
    for (const [input, text] of [
      ["plain", "one two three "],
      ["async", "ab"],
    ] as const) {
      const response = await corral.post("/models/streamer/predict", JSON.stringify(input));
      assert.equal(response.headers.get("content-type"), "application/octet-stream");
      assert.equal(await response.text(), text);
    }
    const logs = await corral.cli("logs", "streamer");
    assert.match(logs.stdout, /Making an environment of Python 3/);
    assert.match(logs.stdout, /read the weights/);
  },
);

test("a requirement that cannot be installed fails the deployment with what helps", { skip }, async () => {
  const code = "class Model:\n    def predict(self, model_input):\n        return 1\n";
  const pushed = await push("pinned", code, "requirements:\n  - corral-no-such-package==1.0\n");
  assert.notEqual(pushed.code, 0);
  assert.match(
    pushed.stderr,
    /cannot start: environment_failed: Installing 1 package for Python 3[^]*no version of corral-no-such-package/,
  );
});

test("a secret that nobody has fails the deployment with file and line", { skip }, async () => {
  const code = `
class Model:
    def __init__(self, secrets):
        self.token = secrets["api_token"]
    def predict(self, model_input):
        return model_input
`;
  const pushed = await push("secretless", code, "secrets:\n  api_token: null\n");
  assert.notEqual(pushed.code, 0);
  assert.match(pushed.stderr, /Secret 'api_token' not found/);
  assert.match(pushed.stderr, /model\/model\.py line 4/);
});
