// What cannot be converted is refused with file, reason and remedy, and leaves nothing behind.

import assert from "node:assert/strict";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, beforeEach, describe, test } from "node:test";
import { isServingError, type ErrorCode } from "@corral/contract";
import { checkGguf } from "../gguf/check.ts";
import { makeSampleModel, type SampleModel } from "../testing/sample-model.ts";
import { sampleModels } from "../testing/sample-models.ts";
import { encodeSafetensors, randomTensor } from "../testing/sample-safetensors.ts";
import { convertHuggingFaceDirectory, type ConvertOptions } from "./convert-model.ts";

const folder = mkdtempSync(join(tmpdir(), "corral-convert-"));
after(() => rmSync(folder, { recursive: true }));

const sharded = sampleModels.find(({ shardCount }) => shardCount === 3)!;
const [firstShard, , lastShard] = [1, 2, 3].map((number) => `model-0000${number}-of-00003.safetensors`);
let out = "";
beforeEach(() => {
  out = mkdtempSync(join(folder, "out-"));
});

function make(change: Partial<SampleModel> = {}): string {
  return makeSampleModel({ ...sharded, ...change }, mkdtempSync(join(folder, "in-")));
}

async function refuse(
  directory: string,
  code: ErrorCode,
  message: RegExp,
  options?: ConvertOptions,
): Promise<void> {
  await assert.rejects(
    convertHuggingFaceDirectory(directory, join(out, "model.gguf"), options),
    (error: Error) => {
      assert.ok(isServingError(error), error.stack);
      assert.equal(error.code, code, error.message);
      assert.match(error.message, message);
      return true;
    },
  );
  assert.deepEqual(readdirSync(out), [], "nothing half-written is there");
}

/** JSON of a file, changed. */
function edit(directory: string, name: string, change: (json: Record<string, unknown>) => void): void {
  const path = join(directory, name);
  const json = JSON.parse(readFileSync(path, "utf8")) as Record<string, unknown>;
  change(json);
  writeFileSync(path, JSON.stringify(json));
}

test("a directory becomes a file that can be served, whole from the first moment, and progress reaches its end", async () => {
  const told: [number, number][] = [];
  const target = join(out, "model.gguf");
  const { bytes } = await convertHuggingFaceDirectory(make(), target, {
    modelName: "somebody/of-mine",
    onProgress: (doneBytes, totalBytes) => {
      assert.ok(!existsSync(target));
      told.push([doneBytes, totalBytes]);
    },
  });
  assert.deepEqual(readdirSync(out), ["model.gguf"]);
  const gguf = await checkGguf(target);
  assert.equal(gguf.fileBytes, bytes);
  assert.equal(gguf.name, "somebody/of-mine");
  assert.deepEqual(told.at(-1), [bytes, bytes]);
  assert.ok(told.every(([done], index) => done >= (told[index - 1]?.[0] ?? 0)));
});

test("an earlier file of that name stays until the new one is whole", async () => {
  const target = join(out, "model.gguf");
  writeFileSync(target, "earlier");
  const directory = make();
  truncateSync(join(directory, lastShard!), 2_000);
  await assert.rejects(convertHuggingFaceDirectory(directory, target));
  assert.equal(readFileSync(target, "utf8"), "earlier");
  await convertHuggingFaceDirectory(make(), target);
  assert.ok((await checkGguf(target)).fileBytes > 1_000);
});

test("an abort ends it with the signal's reason and leaves nothing", async () => {
  const abort = new AbortController();
  const reason = new Error("enough");
  const onProgress = (doneBytes: number) => doneBytes > 100_000 && abort.abort(reason);
  const conversion = convertHuggingFaceDirectory(make(), join(out, "model.gguf"), {
    signal: abort.signal,
    onProgress,
  });
  await assert.rejects(conversion, (error) => error === reason);
  assert.deepEqual(readdirSync(out), []);
});

test("there is no such directory", async () => {
  await refuse(join(folder, "nowhere"), "weights_missing", /There is no directory .*nowhere/);
});

describe("weights that cannot be read", () => {
  test("a shard that ends early", async () => {
    const directory = make();
    truncateSync(join(directory, lastShard!), 20_000);
    await refuse(
      directory,
      "weights_unreadable",
      /model-00003-of-00003\.safetensors cannot be converted: .*stopped early.*fetch the file again/,
    );
  });
  test("a shard with a flipped bit in its header", async () => {
    const directory = make();
    const path = join(directory, firstShard!);
    const bytes = readFileSync(path);
    bytes[bytes.indexOf("shape") + 8]! ^= 1;
    writeFileSync(path, bytes);
    await refuse(
      directory,
      "weights_unreadable",
      /model-00001-of-00003\.safetensors cannot be converted: .*fetch the file again/,
    );
  });
  test("a shard that is missing", async () => {
    const directory = make();
    rmSync(join(directory, lastShard!));
    await refuse(
      directory,
      "weights_unreadable",
      /model-00003-of-00003\.safetensors cannot be converted: it is missing/,
    );
  });
  test("a shard that is missing where there is no index", async () => {
    const directory = make();
    rmSync(join(directory, "model.safetensors.index.json"));
    rmSync(join(directory, lastShard!));
    await refuse(
      directory,
      "weights_unreadable",
      /model-00003-of-00003\.safetensors .* is missing; fetch it/,
    );
  });
  test("an index that leads out of the directory", async () => {
    const directory = make();
    edit(directory, "model.safetensors.index.json", (index) => {
      index["weight_map"] = { "model.norm.weight": "../../secrets.safetensors" };
    });
    await refuse(directory, "weights_unreadable", /no safetensors file of this directory/);
  });
  test("an index of another version of the shards", async () => {
    const directory = make();
    edit(directory, "model.safetensors.index.json", (index) => {
      const map = index["weight_map"] as Record<string, string>;
      map["model.layers.9.mlp.up_proj.weight"] = lastShard!;
    });
    await refuse(directory, "weights_unreadable", /says that it holds the tensor "model\.layers\.9/);
  });
  test("a layer of which a part is missing", async () => {
    const directory = make({ shardCount: 1, config: { ...sharded.config, num_hidden_layers: 2 } });
    edit(directory, "config.json", (config) => (config["num_hidden_layers"] = 3));
    await refuse(
      directory,
      "weights_unreadable",
      /no file holds the tensor "model\.layers\.2\.input_layernorm\.weight"/,
    );
  });
  test("matrices of whole numbers", async () => {
    const directory = make({ shardCount: 1 });
    const tensor = randomTensor("model.embed_tokens.weight", "I32", [8, 4], 1);
    writeFileSync(join(directory, "model.safetensors"), encodeSafetensors([tensor]));
    await refuse(directory, "weights_unsupported", /of the dtype I32; F32, F16 and BF16 are converted/);
  });
  test("shapes that are not those of config.json", async () => {
    const directory = make();
    const cases = [
      ["vocab_size", 2_050, /model\.embed_tokens\.weight" has the shape \[2048, 64\], .* \[2050, 64\]/],
      ["vocab_size", 2 ** 31 - 1, /model\.embed_tokens\.weight" has the shape \[2048, 64\]/],
      ["hidden_size", 128, /" has the shape \[.*64\], and by config\.json it has \[.*128\]/],
      ["head_dim", 32, /k_proj\.weight" has the shape \[32, 64\], and by config\.json it has \[64, 64\]/],
      ["head_dim", 2 ** 31 - 1, /k_proj\.weight" has the shape \[32, 64\]/],
      ["intermediate_size", 97, /down_proj\.weight" has the shape \[64, 96\], .* \[64, 97\]/],
      ["num_key_value_heads", 4, /k_proj\.weight" has the shape \[32, 64\], .* \[64, 64\]/],
    ] as const;
    for (const [key, value, message] of cases) {
      const before = readFileSync(join(directory, "config.json"));
      edit(directory, "config.json", (config) => (config[key] = value));
      await refuse(directory, "weights_unreadable", message);
      writeFileSync(join(directory, "config.json"), before);
    }
  });
  test("more layers than the files have tensors", async () => {
    const directory = make();
    edit(directory, "config.json", (config) => (config["num_hidden_layers"] = 2 ** 31 - 1));
    await refuse(directory, "weights_unreadable", /num_hidden_layers in config\.json is 2147483647/);
  });
  test("an output matrix that is missing although it is not the embedding", async () => {
    const directory = make({ shardCount: 1, config: { ...sharded.config, tie_word_embeddings: true } });
    for (const change of [
      (config: Record<string, unknown>) => (config["tie_word_embeddings"] = false),
      (config: Record<string, unknown>) => delete config["tie_word_embeddings"],
    ]) {
      edit(directory, "config.json", change);
      await refuse(directory, "weights_unreadable", /"lm_head\.weight": one is missing/);
    }
  });
  test("heads that the rows do not fit", async () => {
    const directory = make();
    edit(directory, "config.json", (config) => (config["num_attention_heads"] = 5));
    await refuse(
      directory,
      "weights_unreadable",
      /"model\.layers\.0\.self_attn\.k_proj\.weight" has the shape \[32, 64\], and by config\.json it has \[24, 64\]/,
    );
  });
  test("a pickle", async () => {
    const directory = make({ shardCount: 1 });
    rmSync(join(directory, "model.safetensors"));
    writeFileSync(join(directory, "pytorch_model.bin"), "PK");
    await refuse(directory, "weights_unsupported", /pytorch_model\.bin .*safe_serialization=True/);
  });
  test("no weights at all", async () => {
    const directory = make({ shardCount: 1 });
    rmSync(join(directory, "model.safetensors"));
    await refuse(directory, "weights_unreadable", /has no model\*\.safetensors/);
  });
  test("a tensor that the architecture has no place for", async () => {
    const directory = make({ shardCount: 1 });
    const tensor = randomTensor("model.layers.0.mlp.experts.0.up_proj.weight", "BF16", [8, 4], 1);
    writeFileSync(join(directory, "model.safetensors"), encodeSafetensors([tensor]));
    await refuse(
      directory,
      "weights_unsupported",
      /"model\.layers\.0\.mlp\.experts\.0\.up_proj\.weight" has no place/,
    );
  });
});

describe("a configuration or tokenizer that cannot be used", () => {
  const cases: readonly [
    what: string,
    change: (directory: string) => void,
    code: ErrorCode,
    message: RegExp,
  ][] = [
    [
      "no config.json",
      (at) => rmSync(join(at, "config.json")),
      "weights_unreadable",
      /config\.json .*is missing/,
    ],
    [
      "a config.json that is none",
      (at) => writeFileSync(join(at, "config.json"), "{"),
      "weights_unreadable",
      /config\.json .*not valid JSON/,
    ],
    [
      "an unknown architecture",
      (at) => edit(at, "config.json", (config) => (config["architectures"] = ["MambaForCausalLM"])),
      "weights_unsupported",
      /"MambaForCausalLM" is not known; known are LlamaForCausalLM, .*Qwen3ForCausalLM/,
    ],
    [
      "weights that are quantised already",
      (at) => edit(at, "config.json", (config) => (config["quantization_config"] = { quant_method: "gptq" })),
      "weights_unsupported",
      /quantised already \(gptq\)/,
    ],
    [
      "a width that is no number",
      (at) => edit(at, "config.json", (config) => (config["hidden_size"] = "wide")),
      "weights_unreadable",
      /hidden_size is "wide"/,
    ],
    [
      "an unknown way to stretch positions",
      (at) => edit(at, "config.json", (config) => (config["rope_scaling"] = { rope_type: "longrope" })),
      "weights_unsupported",
      /rope_type "longrope" is not known/,
    ],
    [
      "no tokenizer",
      (at) => rmSync(join(at, "tokenizer.json")),
      "weights_unreadable",
      /tokenizer is missing: neither tokenizer\.model nor tokenizer\.json/,
    ],
    [
      "an unknown pre-tokenizer",
      (at) =>
        edit(at, "tokenizer.json", (tokenizer) => (tokenizer["pre_tokenizer"] = { type: "Whitespace" })),
      "weights_unsupported",
      /pre_tokenizer .*Whitespace.* is not known; known are those of llama-bpe/,
    ],
    [
      "a tokenizer.model that is none",
      (at) => writeFileSync(join(at, "tokenizer.model"), "\x0a\xff\xff\xff\xff\x0f"),
      "weights_unreadable",
      /tokenizer\.model .*not a SentencePiece model/,
    ],
  ];
  for (const [what, change, code, message] of cases) {
    test(what, async () => {
      const directory = make();
      change(directory);
      await refuse(directory, code, message);
    });
  }
});

test("a token beyond the vocabulary is refused", async () => {
  const directory = make({ config: { ...sharded.config, vocab_size: 2_000 } });
  await refuse(directory, "weights_unreadable", /vocab_size in config\.json is 2000/);
});

test("a SentencePiece tokenizer.json with ids beyond the vocabulary, or with a gap, is refused", async () => {
  const sample = sampleModels.find(({ name }) => name === "llama-2-tokenizer-json-added")!;
  const small = make({ ...sample, config: { ...sample.config, vocab_size: 2_050 } });
  await refuse(small, "weights_unreadable", /tokenizer\.json .*a token 205\d, and vocab_size .* is 2050/);
  const gap = make(sample);
  edit(gap, "tokenizer.json", (tokenizer) => {
    const [first] = tokenizer["added_tokens"] as Record<string, unknown>[];
    tokenizer["added_tokens"] = [{ ...first, id: 2_049, content: "<|user|>" }];
  });
  edit(gap, "tokenizer_config.json", (config) => {
    delete config["additional_special_tokens"];
  });
  await refuse(gap, "weights_unreadable", /has no token 2048 and a token 2049/);
});

test("Llama 3's own tokenizer.model is passed over for tokenizer.json", async () => {
  const directory = make();
  writeFileSync(join(directory, "tokenizer.model"), "IQ== 0\nIg== 1\nIw== 2\n");
  await convertHuggingFaceDirectory(directory, join(out, "model.gguf"));
  const { metadata } = await checkGguf(join(out, "model.gguf"));
  assert.equal(metadata.get("tokenizer.ggml.model"), "gpt2");
});

test("a place that cannot be written is named", async () => {
  const file = join(out, "a-file");
  mkdirSync(out, { recursive: true });
  writeFileSync(file, "");
  const conversion = convertHuggingFaceDirectory(make(), join(file, "model.gguf"));
  await assert.rejects(
    conversion,
    (error: Error) => isServingError(error) && /a-file \(ENOTDIR\)/.test(error.message),
  );
});
