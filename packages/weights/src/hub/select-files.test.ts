import assert from "node:assert/strict";
import { test } from "node:test";
import { selectFiles, shardsOfIndex, withShards } from "./select-files.ts";

const listed = (...paths: string[]) => paths.map((path) => ({ path, sizeBytes: 1 }));
const select = (paths: string[], file: string | null = null) => selectFiles("o/n", listed(...paths), file);

test("safetensors of the top folder come with settings, tokenizer and template, and with nothing else", () => {
  const kept = [
    "added_tokens.json",
    "additional_chat_templates/tool.jinja",
    "chat_template.jinja",
    "config.json",
    "generation_config.json",
    "merges.txt",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
    "vocab.json",
    "model.safetensors",
  ];
  const left = [
    ".gitattributes",
    "LICENSE.txt",
    "README.md",
    "USE_POLICY.md",
    "model.gguf",
    "onnx/model.safetensors",
    "original/consolidated.00.pth",
    "original/params.json",
    "original/tokenizer.model",
    "pytorch_model-00001-of-00002.bin",
    "pytorch_model.bin.index.json",
    "tokenizer/other.json",
  ];
  assert.deepEqual(select([...left, ...kept]), { paths: kept, gguf: null, index: null });
});

test("weights that stand there under two names are taken once", () => {
  const shards = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"];
  const selection = select([
    "config.json",
    "consolidated.safetensors",
    "model.safetensors.index.json",
    ...shards,
  ]);
  assert.deepEqual(selection.paths, ["config.json", "model.safetensors.index.json", ...shards]);
  assert.deepEqual(select(["consolidated.safetensors", "model.safetensors"]).paths, ["model.safetensors"]);
  assert.deepEqual(select(["consolidated.safetensors", "other.safetensors"]).paths, ["other.safetensors"]);
});

test("the index decides which shards are needed", () => {
  const files = listed(
    "config.json",
    "model.safetensors.index.json",
    "weights-a.safetensors",
    "weights-b.safetensors",
  );
  const selection = selectFiles("o/n", files, null);
  const shards = shardsOfIndex(
    '{"metadata": {}, "weight_map": {"x": "weights-b.safetensors", "y": "weights-b.safetensors"}}',
  );
  assert.deepEqual(shards, ["weights-b.safetensors"]);
  assert.deepEqual(withShards("o/n", selection, files, shards ?? []).paths, [
    "config.json",
    "model.safetensors.index.json",
    "weights-b.safetensors",
  ]);
  assert.throws(() => withShards("o/n", selection, files, ["../x"]), { code: "weights_missing" });
});

test("what is no index is told", () => {
  for (const text of ["", "[]", "{}", '{"weight_map": [1]}', '{"weight_map": {"x": 1}}', "null"])
    assert.equal(shardsOfIndex(text), null, text);
});

test("an adapter is taken by its own names", () => {
  const paths = ["adapter_config.json", "adapter_model.safetensors"];
  assert.deepEqual(select(["README.md", ...paths]).paths, paths);
});

test("all parts of a split GGUF come, the first one is its name", () => {
  const parts = ["q8/m-00001-of-00003.gguf", "q8/m-00002-of-00003.gguf", "q8/m-00003-of-00003.gguf"];
  const wanted = { paths: ["generation_config.json", ...parts], gguf: parts[0], index: null };
  assert.deepEqual(select(["generation_config.json", "imatrix.gguf", ...parts]), wanted);
  assert.deepEqual(select(["generation_config.json", "m-Q4_0.gguf", ...parts], parts[1]), wanted);
  assert.throws(() => select(parts.slice(0, 2)), /one of 3 parts, of which the repository has 2/);
});

test("a model whose name tells of an importance matrix is a model, and what lies beside one is none", () => {
  const model = "Llama-3-8B-imatrix-Q4_K_M.gguf";
  const beside = ["Llama-3-8B.imatrix.gguf", "mmproj-f16.gguf"];
  assert.equal(select([...beside, model]).gguf, model);
  assert.throws(() => select(beside), {
    code: "weights_unsupported",
    message: /has only Llama-3-8B\.imatrix\.gguf, mmproj-f16\.gguf, which belong to a model/,
  });
});

test("a repository of pickles alone is refused, and says why", () => {
  assert.throws(() => select(["config.json", "pytorch_model.bin", "original/consolidated.00.pth"]), {
    code: "weights_unsupported",
    message: /neither safetensors nor a GGUF file, only pytorch_model\.bin, .* which may hold code/,
  });
  assert.throws(() => select([]), { code: "weights_unsupported" });
});
