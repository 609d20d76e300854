// The author's way: a directory with a config.yaml is pushed, called by its id and name, listed and removed;
// keys are made, limited and revoked. Through the `corral` command alone where it has one.

import assert from "node:assert/strict";
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { checkGguf } from "@corral/weights";
import { answerProblem, questions } from "./english.ts";
import { json, repository, startCorral, type Corral } from "./harness.ts";

const tinyWeights = join(repository, "models/corral-tiny-3/corral-tiny-3-f16.gguf");

let corral: Corral;
let directory: string;
before(async () => {
  corral = await startCorral({ quickstart: false });
  directory = await mkdtemp(join(tmpdir(), "corral-bundle-"));
});
after(async () => {
  await corral[Symbol.asyncDispose]();
  await rm(directory, { recursive: true, force: true });
});

async function bundle(
  name: string,
  corralSettings: string,
  weights?: (path: string) => Promise<void>,
): Promise<string> {
  const path = join(directory, name);
  await mkdir(join(path, "data"), { recursive: true });
  await writeFile(
    join(path, "config.yaml"),
    `model_name: ${name}\nmodel_metadata:\n  corral:\n${corralSettings}`,
  );
  await (weights ?? ((target) => copyFile(tinyWeights, target)))(join(path, "data/weights.gguf"));
  return path;
}

const bundled = "    weights: data/weights.gguf\n    precision: reference\n";

async function push(path: string, ...args: string[]) {
  const { code, stdout, stderr } = await corral.cli("push", path, "--output", "json", ...args);
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout) as { id: string; name: string; version_id: string };
}

test("a pushed directory is deployed, and called by deployment id, by model name and by the command", async () => {
  const pushed = await push(await bundle("my-llama", bundled));
  const body = {
    messages: [{ role: "user", content: "What is beam search?" }],
    max_new_tokens: 64,
    do_sample: false,
  };
  for (const path of [`/model_versions/${pushed.id}/predict`, "/models/my-llama/predict"]) {
    const response = await corral.post(path, body);
    const answer = await json<{
      model_id: string;
      model_version_id: string;
      model_output: { output: string };
    }>(response);
    assert.equal(response.status, 200, JSON.stringify(answer));
    assert.equal(answer.model_version_id, pushed.id);
    const keywords = questions.find((question) => question.id === "beam-search")?.keywords ?? [];
    assert.equal(answerProblem(answer.model_output.output, keywords, "all"), null);
  }
  const predicted = await corral.cli("predict", "my-llama", "-d", JSON.stringify(body), "--output", "json");
  assert.equal(predicted.code, 0, predicted.stderr);
  assert.ok(JSON.parse(predicted.stdout).model_output.output.length > 10);
});

test("a directory made by corral init is pushed at once", async () => {
  const made = join(directory, "made-llama");
  assert.equal((await corral.cli("init", made, "--template", "llama")).code, 0);
  await push(made);
  const said = await corral.cli("predict", "made-llama", "--message", "What is beam search?");
  assert.equal(said.code, 0, said.stderr);
  assert.ok(said.stdout.length > 10);
});

test("the same content is the same version; one changed byte of the config is another", async () => {
  const first = await push(await bundle("twice", bundled));
  const again = await push(await bundle("twice", bundled));
  assert.equal(again.version_id, first.version_id);
  assert.equal(again.id, first.id);
  const changed = await push(await bundle("twice", `${bundled}    defaults:\n      max_new_tokens: 5\n`));
  assert.notEqual(changed.version_id, first.version_id);
  assert.notEqual(changed.id, first.id);
  const answer = await json<{
    model_version_id: string;
    model_output: { usage: { generated_tokens: number } };
  }>(await corral.post("/models/twice/predict", { prompt: "Hello!", eos_token_id: null }));
  assert.equal(answer.model_version_id, changed.id);
  assert.equal(answer.model_output.usage.generated_tokens, 5);
});

test("content that is pushed again answers the model's name again, and push says what else still runs", async () => {
  const again = await push(await bundle("twice", bundled));
  assert.equal(again.name, "twice");
  const { model_version_id } = await json<{ model_version_id: string }>(
    await corral.post("/models/twice/predict", { prompt: "Hello!", max_new_tokens: 2 }),
  );
  assert.equal(model_version_id, again.id);
  const { stdout } = await corral.cli("push", join(directory, "twice"), "--output", "text");
  assert.match(stdout, /^model +twice: this deployment answers it$/m);
  assert.match(stdout, /^also there +twice-2, active; `corral rm twice-2` removes it$/m);
});

test("weights of zeros load but speak no English: the measure of the tiny models can fail", async () => {
  const path = await bundle("zeroed", bundled, async (target) => {
    const bytes = await readFile(tinyWeights);
    const { dataOffset } = await checkGguf(tinyWeights);
    bytes.fill(0, dataOffset);
    await writeFile(target, bytes);
  });
  const pushed = await push(path);
  const response = await corral.post(`/model_versions/${pushed.id}/predict`, {
    messages: [{ role: "user", content: "What even is AGI?" }],
    max_tokens: 128,
    seed: 1,
  });
  const text = (await json<{ model_output: { output: string } }>(response)).model_output.output;
  const keywords = questions.find((question) => question.id === "agi")?.keywords ?? [];
  assert.notEqual(answerProblem(text, keywords, "first"), null);
});

test("a draft model is pushed beside the weights, calls that name it answer as without, and it is refused with another vocabulary", async () => {
  const settings = `${bundled}    assistant_models: { own: data/weights.gguf }\n`;
  await push(await bundle("drafted", settings));
  const body = { prompt: "What is beam search?", max_new_tokens: 32, do_sample: true, seed: 7 };
  const outputOf = async (more: object) => {
    const response = await corral.post("/models/drafted/predict", { ...body, ...more });
    const answer = await json<{ model_output: { output: string } }>(response);
    assert.equal(response.status, 200, JSON.stringify(answer));
    return answer.model_output.output;
  };
  assert.equal(await outputOf({ assistant_model: "own" }), await outputOf({}));
  const unknown = await corral.post("/models/drafted/predict", { ...body, assistant_model: "large" });
  assert.equal(unknown.status, 422);
  assert.match(await unknown.text(), /name a draft model of this deployment: \\"own\\"/);

  const other = `${bundled}    assistant_models: { small: corral-tiny-2 }\n`;
  const refused = await corral.cli("push", await bundle("undrafted", other));
  assert.notEqual(refused.code, 0);
  assert.match(refused.stderr, /draft model "small" must have the tokens of the model/);
});

test("a directory that cannot be a model is refused with every mistake, its line and the remedy", async () => {
  const path = join(directory, "broken");
  await mkdir(path, { recursive: true });
  await writeFile(
    join(path, "config.yaml"),
    "model_name: [a]\nmodel_metadta: {}\nmodel_metadata:\n  corral:\n    weights: ../outside.gguf\n    presicion: reference\n",
  );
  const { code, stderr } = await corral.cli("push", path);
  assert.notEqual(code, 0);
  for (const word of ["model_name", "model_metadta", "model_metadata", "weights", "presicion", "precision"]) {
    assert.ok(stderr.includes(word), `${word} is not in: ${stderr}`);
  }
  assert.doesNotMatch(stderr, /\bat .*\.ts:\d+/, "a stack trace");
});

test("weights that are no GGUF fail the push with the reason, and the server lives on", async () => {
  const path = await bundle("garbage", bundled, (target) => writeFile(target, "this is no model"));
  const { code, stderr } = await corral.cli("push", path);
  assert.notEqual(code, 0);
  assert.match(stderr, /weights\.gguf/);
  assert.equal((await corral.request("/readyz")).status, 200);
});

test("a GGUF outside the allowed roots is not deployed, one under CORRAL_HOME/models is", async () => {
  const outside = await corral.cli("deploy", tinyWeights, "--name", "outside");
  assert.notEqual(outside.code, 0);
  assert.match(outside.stderr, /CORRAL_MODEL_ROOTS|allowed/);
  await mkdir(join(corral.home, "models"), { recursive: true });
  await copyFile(tinyWeights, join(corral.home, "models/copy.gguf"));
  const inside = await corral.cli(
    "deploy",
    join(corral.home, "models/copy.gguf"),
    "--name",
    "llamav2-13b",
    "--output",
    "json",
  );
  assert.equal(inside.code, 0, inside.stderr);
  const response = await corral.post("/llamav2-13b-webhook/predict", { prompt: "Hello!", max_new_tokens: 8 });
  assert.equal(response.status, 200, await response.text());
});

test("ls, logs and rm show, explain and remove a deployment", async () => {
  const listed = await corral.cli("ls", "--output", "json");
  const names = (JSON.parse(listed.stdout) as { name: string }[]).map((item) => item.name);
  assert.ok(names.includes("my-llama"), listed.stdout);
  const logs = await corral.cli("logs", "my-llama");
  assert.equal(logs.code, 0, logs.stderr);
  assert.match(logs.stdout, /ready|loaded/i);
  const removed = await corral.cli("rm", "my-llama");
  assert.equal(removed.code, 0, removed.stderr);
  const response = await corral.post("/models/my-llama/predict", { prompt: "Hi" });
  assert.equal(response.status, 404, await response.text());
  const again = await corral.cli("rm", "my-llama");
  assert.equal(again.code, 4, again.stderr);
});

test("a key that may only predict cannot push, list keys or reach another model", async () => {
  const made = await corral.cli("keys", "create", "caller", "--model", "twice", "--output", "json");
  assert.equal(made.code, 0, made.stderr);
  const { key, id } = JSON.parse(made.stdout) as { key: string; id: string };
  const as = (path: string, init: RequestInit = {}) =>
    corral.request(path, { ...init, headers: { authorization: key, "content-type": "application/json" } });
  assert.equal((await as("/api/v1/keys")).status, 403);
  assert.equal((await as("/api/v1/versions?model=x", { method: "POST" })).status, 403);
  const allowed = await as("/models/twice/predict", { method: "POST", body: '{"prompt": "Hi"}' });
  assert.equal(allowed.status, 200, await allowed.text());
  const byCommand = await corral.cli("predict", "twice", "--prompt", "Hi", "--api-key", key);
  assert.equal(byCommand.code, 0, byCommand.stderr);
  const other = await as("/models/llamav2-13b/predict", { method: "POST", body: '{"prompt": "Hi"}' });
  assert.ok([403, 404].includes(other.status));
  const listed = await corral.cli("keys", "ls", "--output", "json");
  assert.ok(!listed.stdout.includes(key.slice(20)), "the key itself is listed");
  assert.equal((await corral.cli("keys", "revoke", id)).code, 0);
  assert.equal((await as("/models/twice/predict", { method: "POST", body: '{"prompt": "Hi"}' })).status, 401);
});

test("without a key or a server the command says so in one sentence and with its own exit code", async () => {
  const { runCommand } = await import("./harness.ts");
  const cli = join(repository, "packages/cli/bin/corral.cjs");
  const wrongKey = await runCommand(process.execPath, [cli, "ls"], {
    CORRAL_URL: corral.url,
    CORRAL_API_KEY: "wrong",
  });
  assert.equal(wrongKey.code, 3, wrongKey.stderr);
  const nobody = await runCommand(process.execPath, [cli, "ls"], {
    CORRAL_URL: "http://127.0.0.1:9",
    CORRAL_API_KEY: "k",
  });
  assert.equal(nobody.code, 5, nobody.stderr);
  assert.match(nobody.stderr, /127\.0\.0\.1:9/);
  const usage = await runCommand(process.execPath, [cli, "push"]);
  assert.equal(usage.code, 2, usage.stderr);
});
