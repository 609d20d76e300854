import assert from "node:assert/strict";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createHash } from "node:crypto";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { after, test } from "node:test";
import type { PreparationConfig, QuantizationRecipe } from "@corral/contract";
import { checkGguf } from "@corral/weights";
import { writeSplitModel } from "@corral/weights/testing";
import { startPreparation } from "../testing/preparation-process.ts";
import { tinyModel } from "../testing/tiny-models.ts";

const place = mkdtempSync(join(tmpdir(), "corral-preparation-"));
after(() => rmSync(place, { recursive: true, force: true }));
const { path: source } = tinyModel("corral-tiny-2");

let made = 0;
function config(changes: Partial<PreparationConfig> = {}): PreparationConfig {
  made += 1;
  return {
    source: { kind: "gguf", path: source },
    recipe: { quantization: "q8_0" },
    target: join(place, `${made}`, "tiny.gguf"),
    thread_count: 1,
    ...changes,
  };
}

const recipe = (changes: Partial<QuantizationRecipe> = {}): QuantizationRecipe => ({
  quantization: "q8_0",
  ...changes,
});

test("a GGUF is quantised as the recipe has it, and its generation config stands beside it", async () => {
  const asked = config({
    recipe: recipe({ quantization: "q4_0", output_type: "q5_0", token_embedding_type: "f16" }),
  });
  const { code, last, messages } = await startPreparation(place, asked).ended;
  assert.equal(code, 0);
  assert.ok(last?.kind === "ready");
  const bytes = readFileSync(asked.target);
  assert.deepEqual(last, {
    kind: "ready",
    path: asked.target,
    bytes: bytes.length,
    sha256: createHash("sha256").update(bytes).digest("hex"),
    revision: null,
  });
  const { tensors, fileType } = await checkGguf(asked.target);
  const types = new Map(tensors.map(({ name, type }) => [name, type]));
  assert.equal(fileType, "Q4_0");
  assert.equal(types.get("output.weight"), "Q5_0");
  assert.equal(types.get("token_embd.weight"), "F16");
  assert.equal(types.get("blk.0.ffn_up.weight"), "Q4_0");
  const beside = (path: string) => readFileSync(join(dirname(path), "generation_config.json"), "utf8");
  assert.equal(beside(asked.target), beside(source));
  assert.deepEqual(readdirSync(dirname(asked.target)).sort(), [
    "generation_config.json",
    basename(asked.target),
  ]);
  const stages = messages.flatMap((message) => (message.kind === "progress" ? [message.stage] : []));
  assert.deepEqual([...new Set(stages)], ["quantizing", "checking"]);
});

test("with nothing to do the source's own file is given, and nothing is written", async () => {
  for (const unchanged of [null, recipe({ quantization: "f16" })]) {
    const asked = config({ recipe: unchanged });
    const { last } = await startPreparation(place, asked).ended;
    assert.ok(last?.kind === "ready", JSON.stringify(last));
    assert.equal(last.path, source);
    assert.equal(existsSync(asked.target), false);
  }
});

test("an importance matrix that has no effect is told of", async () => {
  const asked = config({ recipe: recipe({ quantization: "f16", importance_matrix: join(place, "x.gguf") }) });
  const { last, messages } = await startPreparation(place, asked).ended;
  assert.equal(last?.kind, "ready");
  const details = messages.flatMap((message) => (message.kind === "warning" ? [message.detail] : []));
  assert.match(details.join(), /The weights are f16 already: .* the importance matrix has no effect/);
});

test("the generation config of a Hugging Face directory is not replaced", async () => {
  const asked = config();
  mkdirSync(dirname(asked.target));
  writeFileSync(join(dirname(asked.target), "generation_config.json"), "{}");
  for (const name of ["model.safetensors", "config.json"]) {
    writeFileSync(join(dirname(asked.target), name), "{}");
    const { last } = await startPreparation(place, asked).ended;
    assert.ok(last?.kind === "failed" && last.code === "conflict", JSON.stringify(last));
    rmSync(join(dirname(asked.target), name));
  }
});

test("a part of the source is no target", async () => {
  const parts = await writeSplitModel(source, place, "parts", 2);
  for (const asked of [recipe(), null].map((each) => ({ recipe: each, target: parts[1] ?? "" }))) {
    const split = config({ source: { kind: "gguf", path: parts[0] ?? "" }, ...asked });
    const { last } = await startPreparation(place, split).ended;
    assert.ok(last?.kind === "failed" && last.code === "invalid_parameter", JSON.stringify(last));
    assert.match(last.detail, /is the source itself/);
  }
});

test("a source that is not there is missing, whatever could be written", async () => {
  const asked = config({ source: { kind: "directory", path: join(place, "no-directory") } });
  const { last } = await startPreparation(place, asked).ended;
  assert.ok(last?.kind === "failed" && last.code === "weights_missing", JSON.stringify(last));
  assert.match(last.detail, /There is no .*no-directory/);
});

test("rows that are not whole blocks are told of", async () => {
  const { messages } = await startPreparation(place, config({ recipe: recipe({ quantization: "q6_k" }) }))
    .ended;
  const details = messages.flatMap((message) => (message.kind === "warning" ? [message.detail] : []));
  assert.deepEqual(details, [
    "token_embd.weight (rows of 128) and 28 others cannot be cut into whole blocks of 256: written as Q8_0, not Q6_K.",
  ]);
});

test("what cannot be prepared is refused in one sentence", async () => {
  const own = join(place, "own.gguf");
  copyFileSync(source, own);
  const refusals: [PreparationConfig, RegExp][] = [
    [config({ source: { kind: "gguf", path: own }, target: own }), /target .* is the source itself/],
    [config({ source: { kind: "gguf", path: join(place, "none.gguf") } }), /There is no file .*none\.gguf/],
    [
      config({ source: { kind: "gguf", path: join(place, "preparation.json") } }),
      /does not begin with "GGUF"/,
    ],
    [
      config({ recipe: recipe({ output_type: "q6_k" }) }),
      /output_type is q6_k, but the rows of output\.weight have 128/,
    ],
    [config({ target: "/proc/nowhere/x.gguf" }), /\/proc\/nowhere/],
  ];
  for (const [asked, reason] of refusals) {
    const { code, last } = await startPreparation(place, asked).ended;
    assert.equal(code, 1);
    assert.ok(last?.kind === "failed", JSON.stringify(last));
    assert.match(last.detail, reason);
  }
  assert.ok(readFileSync(own).equals(readFileSync(source)));
});
