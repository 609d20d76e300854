// A Python model: made, pushed, called through the command and the Baseten routes, streamed, and what goes wrong while
// its environment is made or its code is loaded. Through the `corral` command and HTTP.

import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { json, runCommand, startCorral, waitUntil, type CommandResult, type Corral } from "./harness.ts";

const python = await runCommand("python3", [
  "-c",
  "import sys, venv; sys.exit(sys.version_info < (3, 9))",
]).catch(() => ({ code: 1 }));
const skip = python.code === 0 ? false : "there is no Python from 3.9 on with its venv module";

let corral: Corral;
let directory: string;
before(async () => {
  if (skip !== false) return;
  directory = await mkdtemp(join(tmpdir(), "corral-python-"));
  // A registry that nobody answers: what has no requirements must not ask one.
  const away = "http://127.0.0.1:1/simple";
  const env = { PIP_INDEX_URL: away, UV_DEFAULT_INDEX: away, PIP_RETRIES: "0", UV_HTTP_RETRIES: "0" };
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

test("a directory made by corral init --template python is pushed without a network and answers", { skip }, async () => {
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
});
