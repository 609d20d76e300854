// Weights that begin as a Hugging Face directory, on this machine or on a hub.

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
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { PreparationConfig } from "@corral/contract";
import { checkGguf } from "@corral/weights";
import { startFakeHub, writeSplitModel, type FakeHub } from "@corral/weights/testing";
import { writeHuggingFaceDirectory } from "../testing/hugging-face-directory.ts";
import { startPreparation, type PreparationEnd } from "../testing/preparation-process.ts";
import { tinyModel } from "../testing/tiny-models.ts";

const place = mkdtempSync(join(tmpdir(), "corral-preparation-"));
after(() => rmSync(place, { recursive: true, force: true }));
const directory = join(place, "tiny-three");
const original = tinyModel("corral-tiny-3").path;
before(() => writeHuggingFaceDirectory("corral-tiny-3", directory));

let made = 0;
function config(changes: Partial<PreparationConfig>): PreparationConfig {
  made += 1;
  return {
    source: { kind: "directory", path: directory },
    recipe: null,
    target: join(place, `${made}`, "tiny.gguf"),
    thread_count: 1,
    ...changes,
  };
}

const stagesOf = ({ messages }: PreparationEnd) => [
  ...new Set(messages.flatMap((message) => (message.kind === "progress" ? [message.stage] : []))),
];

async function weightsOf(path: string): Promise<ReadonlyMap<string, string>> {
  const { tensors } = await checkGguf(path);
  const bytes = readFileSync(path);
  return new Map(
    tensors.map(({ name, offset, bytes: length }) => [
      name,
      bytes.subarray(offset, offset + (length ?? 0)).toString("base64"),
    ]),
  );
}

test("a directory becomes the GGUF it would have come from, with its generation config", async () => {
  const asked = config({});
  const end = await startPreparation(place, asked).ended;
  assert.ok(end.last?.kind === "ready", JSON.stringify(end.last));
  assert.equal(end.last.path, asked.target);
  assert.deepEqual(stagesOf(end), ["converting", "checking"]);
  const [ours, theirs] = await Promise.all([weightsOf(asked.target), weightsOf(original)]);
  for (const [name, weights] of ours) assert.equal(weights, theirs.get(name), name);
  assert.deepEqual(readdirSync(dirname(asked.target)).toSorted(), ["generation_config.json", "tiny.gguf"]);
});

test("a directory is converted and quantised, and the file between is gone", async () => {
  const asked = config({ recipe: { quantization: "q5_1" } });
  const end = await startPreparation(place, asked).ended;
  assert.ok(end.last?.kind === "ready", JSON.stringify(end.last));
  assert.deepEqual(stagesOf(end), ["converting", "quantizing", "checking"]);
  assert.equal((await checkGguf(asked.target)).fileType, "Q5_1");
  assert.deepEqual(readdirSync(dirname(asked.target)).toSorted(), ["generation_config.json", "tiny.gguf"]);
});

test("a recipe without quantisation is written by the conversion alone", async () => {
  const asked = config({ recipe: { quantization: "f32" } });
  const end = await startPreparation(place, asked).ended;
  assert.deepEqual(stagesOf(end), ["converting", "checking"]);
  const { tensors } = await checkGguf(asked.target);
  assert.ok(tensors.every(({ type }) => type === "F32"));
});

test("the parts of a model are joined into one file, or quantised into one", async () => {
  const parts = join(place, "parts");
  mkdirSync(parts);
  const [path = ""] = await writeSplitModel(original, parts, "tiny", 3);
  const joined = config({ source: { kind: "gguf", path } });
  const end = await startPreparation(place, joined).ended;
  assert.ok(end.last?.kind === "ready", JSON.stringify(end.last));
  assert.equal(end.last.path, joined.target);
  assert.deepEqual(await weightsOf(joined.target), await weightsOf(original));
  const [made, from] = [await checkGguf(joined.target), await checkGguf(original)];
  assert.deepEqual([made.fileType, made.vocabularySize], [from.fileType, from.vocabularySize]);
  assert.equal(made.metadata.get("split.count"), undefined);
  const [quantized, same] = [
    config({ source: { kind: "directory", path: parts }, recipe: { quantization: "q5_1" } }),
    config({ source: { kind: "gguf", path: original }, recipe: { quantization: "q5_1" } }),
  ];
  for (const asked of [quantized, same]) {
    const { last } = await startPreparation(place, asked).ended;
    assert.ok(last?.kind === "ready", JSON.stringify(last));
  }
  assert.deepEqual(await weightsOf(quantized.target), await weightsOf(same.target));
});

test("a directory with one GGUF and nothing to convert is that GGUF, with several it is asked which", async () => {
  const gguf = join(place, "only");
  mkdirSync(gguf);
  copyFileSync(original, join(gguf, "one.gguf"));
  const source = { kind: "directory", path: gguf } as const;
  const one = await startPreparation(place, config({ source })).ended;
  assert.ok(one.last?.kind === "ready" && one.last.path === join(gguf, "one.gguf"), JSON.stringify(one.last));
  copyFileSync(original, join(gguf, "two.gguf"));
  const { last } = await startPreparation(place, config({ source })).ended;
  assert.ok(last?.kind === "failed" && last.code === "missing_parameter");
  assert.match(last.detail, /one\.gguf, two\.gguf/);
});

test("an embedding with more rows than tokens is refused before anything is loaded, with the remedy", async () => {
  const padded = join(place, "padded");
  await writeHuggingFaceDirectory("corral-tiny-2", padded);
  rmSync(join(padded, "tokenizer.model"));
  const path = join(padded, "tokenizer.json");
  const tokenizer = JSON.parse(readFileSync(path, "utf8"));
  const { vocab } = tokenizer.model;
  tokenizer.model.vocab = Object.fromEntries(Object.entries(vocab).filter(([, id]) => id !== 2047));
  writeFileSync(path, JSON.stringify(tokenizer));
  const asked = config({ source: { kind: "directory", path: padded } });
  const { last } = await startPreparation(place, asked).ended;
  assert.ok(last?.kind === "failed" && last.code === "weights_unreadable", JSON.stringify(last));
  assert.match(
    last.detail,
    /has 2047 tokens and its embedding 2048 rows, .* fetch the model's tokenizer\.model/,
  );
  assert.equal(existsSync(asked.target), false);
});

describe("from a hub", () => {
  let hub: FakeHub;
  const files = join(place, "repository");
  before(async () => {
    mkdirSync(files);
    copyFileSync(original, join(files, "tiny-three.gguf"));
    hub = await startFakeHub({ repositories: { "corral/tiny-three": directory, "corral/tiny-gguf": files } });
  });
  after(() => hub.close());
  const from = (repository: string, changes: Partial<PreparationConfig> = {}) =>
    config({ source: { kind: "hub", repository, revision: "main", file: null }, ...changes });
  const start = (asked: PreparationConfig) =>
    startPreparation(place, asked, { env: { HF_ENDPOINT: hub.url, HF_HOME: join(place, "cache") } });

  test("safetensors are fetched, converted and quantised, and the commit is told", async () => {
    const asked = from("corral/tiny-three", { recipe: { quantization: "q8_0" } });
    const end = await start(asked).ended;
    assert.ok(end.last?.kind === "ready", JSON.stringify(end.last));
    assert.match(end.last.revision ?? "", /^[0-9a-f]{40}$/);
    assert.deepEqual(stagesOf(end), ["fetching", "converting", "quantizing", "checking"]);
    const { fileType, name } = await checkGguf(asked.target);
    assert.equal(fileType, "Q8_0");
    assert.match(name ?? "", /tiny.three/i);
  });

  test("a GGUF that needs nothing is used where the cache has it", async () => {
    const asked = from("corral/tiny-gguf");
    const { last } = await start(asked).ended;
    assert.ok(last?.kind === "ready", JSON.stringify(last));
    assert.ok(last.path.startsWith(join(place, "cache")), last.path);
    assert.ok(readFileSync(last.path).equals(readFileSync(original)));
    assert.equal(existsSync(asked.target), false);
  });

  test("what the hub refuses is told as it says it", async () => {
    const { code, last } = await start(from("corral/nobody")).ended;
    assert.equal(code, 1);
    assert.ok(last?.kind === "failed" && last.code === "repository_not_found", JSON.stringify(last));
  });
});
