// LoRA adapters: pushed with a model, added to a deployment that runs, named by calls, taken away while they are used,
// and there again after the platform and its replicas were started anew.

import assert from "node:assert/strict";
import { copyFile, mkdir, mkdtemp, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { checkGguf } from "@corral/weights";
import { writePeftAdapter, writeSampleAdapter } from "@corral/weights/testing";
import { json, repository, startCorral, type Corral } from "./harness.ts";

const tinyWeights = join(repository, "models/corral-tiny-3/corral-tiny-3-f16.gguf");

let corral: Corral;
let home: string;
let root: string;
before(async () => {
  home = await realpath(await mkdtemp(join(tmpdir(), "corral-e2e-adapters-")));
  root = join(home, "adapters");
  await mkdir(root);
  const model = await checkGguf(tinyWeights);
  for (const seed of [1, 2, 3]) await writeSampleAdapter(join(root, `${seed}.gguf`), model, { seed });
  await writeFile(join(root, "broken.gguf"), "GGUF");
  await writeSampleAdapter(join(root, "other.gguf"), { ...model, architecture: "qwen2" }, { seed: 1 });
  corral = await start();
});
after(async () => {
  await corral[Symbol.asyncDispose]();
  await rm(home, { recursive: true, force: true });
});

function start(): Promise<Corral> {
  return startCorral({ home, quickstart: false, env: { CORRAL_MODEL_ROOTS: root } });
}

/** Starts it anew in the same home, and waits until the deployment answers again. */
async function restart(): Promise<void> {
  await corral.stop();
  corral = await start();
}

const prompt = "The mountain";

async function generate(adapter?: string | null, more: object = {}) {
  const body = { prompt, max_new_tokens: 12, do_sample: false, eos_token_id: null, ...more };
  return await corral.post("/api/v1/deployments/tuned/generate", {
    ...body,
    ...(adapter === undefined ? {} : { adapter }),
  });
}

async function textOf(response: Response): Promise<string> {
  const answer = await json<{ result: { generated_text: string }[] }>(response);
  assert.equal(response.status, 200, JSON.stringify(answer));
  return answer.result[0]!.generated_text;
}

async function untilActive(name: string): Promise<void> {
  for (let attempt = 0; attempt < 400; attempt++) {
    const { status } = await json<{ status: string }>(await corral.request(`/api/v1/deployments/${name}`));
    if (status === "active") return;
    assert.notEqual(status, "failed");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  assert.fail(`${name} does not become active`);
}

interface Problem {
  readonly code: string;
  readonly detail: string;
}
const adapters = "/api/v1/deployments/tuned/adapters";
const add = (name: string, file: string) => corral.post(adapters, { name, source: join(root, file) });

const texts = new Map<string | null, string>();

test("an adapter that is pushed with a model is named by calls, and the base is what it was", async () => {
  const bundle = join(home, "bundle");
  await mkdir(bundle);
  await copyFile(tinyWeights, join(bundle, "weights.gguf"));
  await copyFile(join(root, "1.gguf"), join(bundle, "one.gguf"));
  const settings = ["weights: weights.gguf", "precision: reference", "adapters: { one: one.gguf }"];
  const config = `model_name: tuned\nmodel_metadata:\n  corral:\n    ${settings.join("\n    ")}\n`;
  await writeFile(join(bundle, "config.yaml"), config);
  const pushed = await corral.cli("push", bundle, "--output", "json");
  assert.equal(pushed.code, 0, pushed.stderr);
  await untilActive("tuned");
  texts.set(null, await textOf(await generate()));
  texts.set("one", await textOf(await generate("one")));
  assert.notEqual(texts.get("one"), texts.get(null));
  assert.equal(await textOf(await generate(null)), texts.get(null));
});

test("adapters are added while it runs, and callers of all of them are answered beside one another", async () => {
  for (const [name, file] of [
    ["two", "2.gguf"],
    ["three", "3.gguf"],
  ] as const) {
    assert.equal((await add(name, file)).status, 201);
    assert.equal((await add(name, file)).status, 200, "the same again");
    texts.set(name, await textOf(await generate(name)));
  }
  assert.equal(new Set(texts.values()).size, 4);
  const names = Array.from({ length: 16 }, (_, index) => [null, "one", "two", "three"][index % 4]!);
  const answers = await Promise.all(names.map(async (name) => await textOf(await generate(name))));
  assert.deepEqual(
    answers,
    names.map((name) => texts.get(name)),
  );
  const list = await json<{ items: { name: string; origin: string; source: string }[] }>(
    await corral.request(adapters),
  );
  assert.deepEqual(
    list.items.map(({ name, origin, source }) => [name, origin, source]),
    [
      ["one", "version", "one.gguf"],
      ["two", "deployment", join(root, "2.gguf")],
      ["three", "deployment", join(root, "3.gguf")],
    ],
  );
});

test("an adapter as PEFT saves it is converted, by its content, and stays when its directory goes", async () => {
  const directory = join(root, "peft");
  const { metadata, embeddingLength } = await checkGguf(tinyWeights);
  const count = (key: string) => Number(metadata.get(`llama.${key}`));
  const lora = { name: "peft", base: "tiny", rank: 4, alpha: 64, dtype: "F16" } as const;
  writePeftAdapter(
    directory,
    { ...lora, targets: ["self_attn.q_proj", "self_attn.k_proj", "mlp.down_proj"] },
    {
      num_hidden_layers: count("block_count"),
      hidden_size: embeddingLength,
      intermediate_size: count("feed_forward_length"),
      num_attention_heads: count("attention.head_count"),
      num_key_value_heads: count("attention.head_count_kv"),
    },
  );
  const added = await corral.cli("adapters", "add", "tuned", "peft", directory);
  assert.equal(added.code, 0, added.stderr);
  const text = await textOf(await generate("peft"));
  assert.ok(![...texts.values()].includes(text), text);
  await rm(directory, { recursive: true });
  assert.equal((await add("peft", "peft")).status, 422);
  assert.equal(await textOf(await generate("peft")), text);
  assert.match((await corral.cli("adapters", "ls", "tuned")).stdout, /^peft\tdeployment\t.*\/peft\t/m);
  assert.equal((await corral.cli("adapters", "rm", "tuned", "peft")).code, 0);
  assert.equal((await generate("peft")).status, 422);
});

test("OpenAI's clients find adapters among the models and call them by their names", async () => {
  const { data } = await json<{ data: { id: string; parent?: string }[] }>(
    await corral.request("/v1/models"),
  );
  assert.deepEqual(
    data.map(({ id, parent }) => [id, parent]),
    [
      ["tuned", undefined],
      ["tuned:one", "tuned"],
      ["tuned:two", "tuned"],
      ["tuned:three", "tuned"],
    ],
  );
  const body = { prompt, max_tokens: 12, temperature: 0, eos_token_id: null };
  const call = await corral.post("/v1/completions", { ...body, model: "tuned:two" });
  const { choices } = await json<{ choices: { text: string }[] }>(call);
  assert.equal(prompt + choices[0]!.text, texts.get("two"));
  const unknown = await corral.post("/v1/completions", { ...body, model: "tuned:four" });
  assert.equal(unknown.status, 400);
  assert.match(await unknown.text(), /name an adapter of this deployment/);
  assert.equal((await corral.request("/v1/models/tuned:two")).status, 200);
  assert.equal((await corral.request("/v1/models/tuned:four")).status, 404);
});

test("what cannot be added is refused with the reason, and disturbs nobody", async () => {
  const refusal = async (response: Promise<Response>) => {
    const answer = await response;
    const { code, detail } = await json<Problem>(answer);
    return [answer.status, code, detail] as const;
  };
  const cases = [
    [add("broken", "broken.gguf"), 422, "weights_unreadable", /broken\.gguf cannot be loaded: the file ends/],
    [add("other", "other.gguf"), 422, "weights_unsupported", /architecture "qwen2"/],
    [add("none", "none.gguf"), 422, "weights_missing", /no file/],
    [add("two", "3.gguf"), 409, "conflict", /another content/],
    [add("one", "3.gguf"), 409, "conflict", /of the version/],
    [add("A b", "3.gguf"), 422, "invalid_parameter", /1 to 63 of a-z/],
    [corral.post(adapters, { name: "x", source: "/etc/passwd" }), 422, "invalid_parameter", /model roots/],
    [corral.request(`${adapters}/four`, { method: "DELETE" }), 404, "adapter_not_found", /no adapter "four"/],
    [corral.request(`${adapters}/one`, { method: "DELETE" }), 409, "conflict", /belongs to the version/],
  ] as const;
  for (const [response, status, code, message] of cases) {
    const [foundStatus, foundCode, detail] = await refusal(response);
    assert.deepEqual([foundStatus, foundCode], [status, code], detail);
    assert.match(detail, message);
  }
  const unknown = await generate("four");
  assert.equal(unknown.status, 422);
  assert.match(await unknown.text(), /\\"one\\", \\"two\\", \\"three\\"; given: \\"four\\"/);
  assert.equal(await textOf(await generate("two")), texts.get("two"));
});

test("an adapter that is deleted while a call uses it serves that call to its end, and no other", async () => {
  const long = { max_new_tokens: 400, stream: true };
  const streamed = await generate("three", long);
  assert.equal(streamed.status, 200);
  assert.equal((await corral.request(`${adapters}/three`, { method: "DELETE" })).status, 204);
  assert.equal((await generate("three")).status, 422);
  const events = await streamed.text();
  assert.match(events, /event: done/);
  texts.delete("three");
});

test("a platform that starts again has the adapters again", async () => {
  await restart();
  await untilActive("tuned");
  for (const [name, text] of texts) assert.equal(await textOf(await generate(name)), text);
  assert.equal((await generate("three")).status, 422);
  assert.equal((await corral.request(`${adapters}/two`, { method: "DELETE" })).status, 204);
});
