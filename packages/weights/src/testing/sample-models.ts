// Tiny Hugging Face directories of every kind that is converted, made from a seed: `scripts/oracle/record_conversion.py`
// records what llama.cpp's converter makes of them. Not part of the package's public face.

import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { builtInModelsDirectory } from "../built-in.ts";
import { randomTensor, writeSafetensors, type SampleDtype, type SampleTensor } from "./sample-safetensors.ts";
import { byteLevelTokenizer, definitions, type TokenizerPatch } from "./sample-tokenizers.ts";

export interface SampleModel {
  /** Of its directory, which the converter reads a name out of. */
  readonly name: string;
  readonly outputType: "auto" | "f32" | "f16" | "bf16";
  /** What the converter is told where it would look up a hash; null: no byte-level BPE. */
  readonly pre: string | null;
  readonly config: Readonly<Record<string, unknown>>;
  readonly dtype: SampleDtype;
  readonly shardCount: number;
  /** By name: text, JSON, or a file of a tiny model. */
  readonly files: Readonly<Record<string, SampleFile>>;
  readonly changeTensor?: (tensor: SampleTensor) => SampleTensor;
}

export type SampleFile = string | { readonly json: unknown } | { readonly copyOf: string };

const shape = {
  hidden_size: 64,
  intermediate_size: 96,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  num_hidden_layers: 2,
  vocab_size: 2048,
  rms_norm_eps: 1e-5,
};
const llama2 = {
  architectures: ["LlamaForCausalLM"],
  model_type: "llama",
  ...shape,
  bos_token_id: 1,
  eos_token_id: 2,
  max_position_embeddings: 4096,
  rope_theta: 10_000,
  tie_word_embeddings: false,
};
const llama3 = {
  ...llama2,
  bos_token_id: 2040,
  eos_token_id: [2041, 2047],
  max_position_embeddings: 8192,
  rope_theta: 500_000,
};
const qwen2 = {
  ...shape,
  architectures: ["Qwen2ForCausalLM"],
  model_type: "qwen2",
  bos_token_id: 2040,
  eos_token_id: 2040,
  max_position_embeddings: 32_768,
  rope_theta: 1_000_000,
  use_sliding_window: false,
  sliding_window: 32_768,
  max_window_layers: 2,
  tie_word_embeddings: true,
};

const tiny2 = (name: string): SampleFile => ({ copyOf: `corral-tiny-2/${name}` });
const tiny3 = (name: string): SampleFile => ({ copyOf: `corral-tiny-3/${name}` });
const sentencePiece = {
  "tokenizer.model": tiny2("tokenizer.model"),
  "tokenizer.json": tiny2("tokenizer.json"),
  "tokenizer_config.json": tiny2("tokenizer_config.json"),
};
const byteLevel = {
  "tokenizer.json": tiny3("tokenizer.json"),
  "tokenizer_config.json": tiny3("tokenizer_config.json"),
};
const patched = (patch: TokenizerPatch): SampleFile => ({ json: byteLevelTokenizer(patch) });
const qwenTokens = [
  "<|endoftext|>",
  "<|im_start|>",
  "<|im_end|>",
  { content: "<tool_call>", special: false },
  { content: "<|fim_prefix|>", special: false },
];
const qwenFiles = {
  "tokenizer.json": patched({ ...definitions.qwen2, added: qwenTokens }),
  "tokenizer_config.json": {
    json: {
      add_bos_token: false,
      add_prefix_space: false,
      bos_token: null,
      chat_template:
        "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}",
      eos_token: "<|im_end|>",
      pad_token: "<|endoftext|>",
      tokenizer_class: "Qwen2Tokenizer",
      unk_token: null,
    },
  },
};
const llama31Rope = {
  factor: 8,
  low_freq_factor: 1,
  high_freq_factor: 4,
  original_max_position_embeddings: 8192,
  rope_type: "llama3",
};

export const sampleModels: readonly SampleModel[] = [
  {
    name: "Sample-Llama-2-7b-chat",
    outputType: "auto",
    pre: null,
    config: llama2,
    dtype: "F16",
    shardCount: 1,
    files: { ...sentencePiece, "generation_config.json": tiny2("generation_config.json") },
  },
  {
    name: "llama-2-added-tokens",
    outputType: "auto",
    pre: null,
    config: { ...llama2, vocab_size: 2056, num_key_value_heads: 4, pad_token_id: 2048 },
    dtype: "F32",
    shardCount: 1,
    files: {
      "tokenizer.model": tiny2("tokenizer.model"),
      "added_tokens.json": { json: { "<pad>": 2048, "▁tool": 2049 } },
      "tokenizer_config.json": {
        json: {
          add_bos_token: true,
          add_eos_token: false,
          added_tokens_decoder: {
            "0": { content: "<unk>", special: true },
            "1": { content: "<s>", special: true },
            "2": { content: "</s>", special: true },
            "2048": { content: "<pad>", special: false },
            "2050": { content: "▁▁code", special: false },
            "2051": { content: "<|user|>", special: true },
          },
          bos_token: { content: "<s>", special: true },
          eos_token: { content: "</s>", special: true },
          tokenizer_class: "LlamaTokenizer",
        },
      },
    },
  },
  {
    name: "llama-2-tokenizer-json",
    outputType: "f16",
    pre: null,
    config: llama2,
    dtype: "F16",
    shardCount: 2,
    files: {
      "tokenizer.json": tiny2("tokenizer.json"),
      "tokenizer_config.json": tiny2("tokenizer_config.json"),
    },
  },
  {
    name: "Sample-Llama-3-8B-Instruct",
    outputType: "auto",
    pre: "llama-bpe",
    config: llama3,
    dtype: "BF16",
    shardCount: 3,
    files: { ...byteLevel, "generation_config.json": tiny3("generation_config.json") },
  },
  {
    name: "Llama-3.1-8B-sample",
    outputType: "auto",
    pre: "llama-bpe",
    config: { ...llama3, max_position_embeddings: 131_072, rope_scaling: llama31Rope },
    dtype: "BF16",
    shardCount: 2,
    files: byteLevel,
  },
  {
    name: "Llama-3.2-1B",
    outputType: "f32",
    pre: "llama-bpe",
    config: {
      ...llama3,
      head_dim: 128,
      max_position_embeddings: 131_072,
      rope_scaling: { ...llama31Rope, factor: 32 },
      tie_word_embeddings: true,
    },
    dtype: "BF16",
    shardCount: 1,
    files: byteLevel,
  },
  {
    name: "llama-linear-rope-and-biases",
    outputType: "bf16",
    pre: null,
    config: {
      ...llama2,
      attention_bias: true,
      mlp_bias: true,
      rope_scaling: { type: "linear", factor: 2.5 },
    },
    dtype: "F32",
    shardCount: 1,
    files: sentencePiece,
  },
  {
    name: "llama-yarn-128k",
    outputType: "auto",
    pre: null,
    config: {
      ...llama2,
      max_position_embeddings: 65_536,
      rope_scaling: {
        type: "yarn",
        factor: 16,
        original_max_position_embeddings: 4096,
        attention_factor: 1.25,
        beta_fast: 24,
        beta_slow: 2,
      },
    },
    dtype: "F16",
    shardCount: 1,
    files: sentencePiece,
  },
  {
    name: "Mistral-7B-Instruct-v0.2",
    outputType: "auto",
    pre: null,
    config: {
      ...llama2,
      architectures: ["MistralForCausalLM"],
      model_type: "mistral",
      max_position_embeddings: 32_768,
      rope_theta: 1_000_000,
      sliding_window: null,
    },
    dtype: "BF16",
    shardCount: 2,
    files: sentencePiece,
  },
  {
    name: "Mistral-Nemo-Base-2407",
    outputType: "f16",
    pre: "tekken",
    config: {
      ...llama2,
      architectures: ["MistralForCausalLM"],
      model_type: "mistral",
      head_dim: 32,
      max_position_embeddings: 128_000,
      rope_theta: 1_000_000,
      bos_token_id: 2041,
      eos_token_id: 2042,
    },
    dtype: "BF16",
    shardCount: 1,
    files: {
      "tokenizer.json": patched({
        ...definitions.tekken,
        added: ["<unk>", "<s>", "</s>", "[INST]", "[/INST]"],
      }),
      "tokenizer_config.json": {
        json: {
          add_bos_token: true,
          add_eos_token: false,
          bos_token: "<s>",
          eos_token: "</s>",
          unk_token: "<unk>",
          tokenizer_class: "PreTrainedTokenizerFast",
        },
      },
    },
  },
  {
    name: "Qwen2-0.5B-Instruct",
    outputType: "auto",
    pre: "qwen2",
    config: qwen2,
    dtype: "BF16",
    shardCount: 1,
    files: qwenFiles,
  },
  {
    name: "Qwen2.5-7B-Instruct-1M",
    outputType: "f16",
    pre: "qwen2",
    config: {
      ...qwen2,
      tie_word_embeddings: false,
      vocab_size: 2064,
      rope_scaling: { type: "yarn", factor: 4, original_max_position_embeddings: 32_768 },
      max_position_embeddings: 131_072,
    },
    dtype: "BF16",
    shardCount: 2,
    files: qwenFiles,
  },
  {
    name: "Qwen3-0.6B",
    outputType: "auto",
    pre: "qwen2",
    config: {
      ...qwen2,
      architectures: ["Qwen3ForCausalLM"],
      model_type: "qwen3",
      head_dim: 32,
      attention_bias: false,
      rms_norm_eps: 1e-6,
    },
    dtype: "BF16",
    shardCount: 1,
    files: qwenFiles,
  },
  {
    name: "llama-3-model-card",
    outputType: "f16",
    pre: "llama-bpe",
    config: { ...llama3, _name_or_path: "somebody/Great-Llama-3-8b-chat-v1.5" },
    dtype: "F32",
    shardCount: 1,
    files: {
      "tokenizer.json": tiny3("tokenizer.json"),
      "tokenizer_config.json": {
        json: {
          bos_token: "<|begin_of_text|>",
          eos_token: "<|eot_id|>",
          tokenizer_class: "PreTrainedTokenizerFast",
        },
      },
      "chat_template.jinja": "{{ bos_token }}\r\n{% for m in messages %}{{ m.content }}\n{% endfor %}",
      "additional_chat_templates/tool-use.jinja": "{{ tools }}",
      "generation_config.json": {
        json: { temperature: 0.6, top_p: 0.9, top_k: 40, repetition_penalty: 1.1, min_p: 0.05 },
      },
      "README.md": `---
license: llama3
license_name: sample-licence
license_link: https://example.org/licence
model_creator: Somebody
pipeline_tag: text-generation
tags:
- sample
- "no weights"
language:
- en
- no
base_model:
- meta-llama/Meta-Llama-3-8B-Instruct
- https://huggingface.co/mistralai/Mistral-7B-v0.1
datasets:
- somebody/answers-v2
---

# A sample
`,
    },
  },
  {
    name: "llama-3-strange-floats",
    outputType: "bf16",
    pre: "llama-bpe",
    config: { ...llama3, num_hidden_layers: 1 },
    dtype: "F16",
    shardCount: 1,
    files: byteLevel,
    changeTensor: strangeHalves,
  },
  {
    name: "llama-3-strange-singles",
    outputType: "f16",
    pre: "smaug-bpe",
    config: { ...llama3, num_hidden_layers: 1, tie_word_embeddings: true },
    dtype: "F32",
    shardCount: 1,
    files: { ...byteLevel, "tokenizer.json": patched({ ...definitions.llama3, ignoreMerges: false }) },
    changeTensor: strangeSingles,
  },
  {
    name: "SmolLM-135M-sample",
    outputType: "auto",
    pre: "smollm",
    config: { ...llama3, tie_word_embeddings: true, bos_token_id: 2040, eos_token_id: 2040 },
    dtype: "BF16",
    shardCount: 1,
    files: {
      "tokenizer.json": patched({
        ...definitions.smollm,
        added: ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<pad>"],
      }),
      "tokenizer_config.json": {
        json: {
          add_prefix_space: false,
          bos_token: "<|endoftext|>",
          eos_token: "<|endoftext|>",
          unk_token: "<|endoftext|>",
          tokenizer_class: "GPT2Tokenizer",
        },
      },
    },
  },
];

/** Makes the directory `parent/NAME` and returns its path. */
export function makeSampleModel(model: SampleModel, parent: string): string {
  const directory = join(parent, model.name);
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, "config.json"), JSON.stringify(model.config, null, 2));
  for (const [name, file] of Object.entries(model.files)) {
    const path = join(directory, name);
    mkdirSync(dirname(path), { recursive: true });
    if (typeof file === "string") writeFileSync(path, file);
    else if ("json" in file) writeFileSync(path, JSON.stringify(file.json));
    else copyFileSync(join(builtInModelsDirectory, file.copyOf), path);
  }
  const change = model.changeTensor ?? ((tensor: SampleTensor) => tensor);
  writeSafetensors(directory, sampleTensors(model).map(change), model.shardCount);
  return directory;
}

/** Every tensor that transformers would save, in the order of the model's layers. */
function sampleTensors({ config, dtype }: SampleModel): SampleTensor[] {
  const number = (key: string): number => Number(config[key]);
  const [hidden, forward] = [number("hidden_size"), number("intermediate_size")];
  const headLength = Number(config["head_dim"] ?? hidden / number("num_attention_heads"));
  const queries = headLength * number("num_attention_heads");
  const keys = headLength * number("num_key_value_heads");
  const isQwen2 = config["model_type"] === "qwen2";
  const hasHeadNorms = config["model_type"] === "qwen3";
  const tensors: SampleTensor[] = [];
  const add = (name: string, ...size: number[]) => tensors.push(randomTensor(name, dtype, size, 5526));
  const linear = (name: string, rows: number, columns: number, hasBias: boolean) => {
    add(`${name}.weight`, rows, columns);
    if (hasBias) add(`${name}.bias`, rows);
  };
  add("model.embed_tokens.weight", number("vocab_size"), hidden);
  for (let layer = 0; layer < number("num_hidden_layers"); layer += 1) {
    const prefix = `model.layers.${layer}`;
    add(`${prefix}.input_layernorm.weight`, hidden);
    const attentionBias = config["attention_bias"] === true;
    linear(`${prefix}.self_attn.q_proj`, queries, hidden, attentionBias || isQwen2);
    linear(`${prefix}.self_attn.k_proj`, keys, hidden, attentionBias || isQwen2);
    linear(`${prefix}.self_attn.v_proj`, keys, hidden, attentionBias || isQwen2);
    linear(`${prefix}.self_attn.o_proj`, hidden, queries, attentionBias);
    if (hasHeadNorms) {
      add(`${prefix}.self_attn.q_norm.weight`, headLength);
      add(`${prefix}.self_attn.k_norm.weight`, headLength);
    }
    add(`${prefix}.post_attention_layernorm.weight`, hidden);
    linear(`${prefix}.mlp.gate_proj`, forward, hidden, config["mlp_bias"] === true);
    linear(`${prefix}.mlp.up_proj`, forward, hidden, config["mlp_bias"] === true);
    linear(`${prefix}.mlp.down_proj`, hidden, forward, config["mlp_bias"] === true);
  }
  add("model.norm.weight", hidden);
  if (config["tie_word_embeddings"] !== true) add("lm_head.weight", number("vocab_size"), hidden);
  return tensors;
}

/** Every half there is, but signalling NaN, which hardware and tables treat differently. */
function strangeHalves(tensor: SampleTensor): SampleTensor {
  if (tensor.name !== "model.embed_tokens.weight") return tensor;
  const halves = new Uint16Array(tensor.bytes.slice().buffer);
  for (let half = 0; half < 1 << 16; half += 1) {
    const isSignalling = (half & 0x7c00) === 0x7c00 && (half & 0x3ff) !== 0 && (half & 0x200) === 0;
    halves[half] = isSignalling ? half | 0x200 : half;
  }
  return { ...tensor, bytes: new Uint8Array(halves.buffer) };
}

/** Ties, subnormals, overflow and infinities of half precision among the weights. */
function strangeSingles(tensor: SampleTensor): SampleTensor {
  if (tensor.name !== "model.embed_tokens.weight") return tensor;
  const values = new Float32Array(tensor.bytes.slice().buffer);
  const strange = [
    0,
    -0,
    65_504,
    65_519.99,
    65_520,
    1e6,
    -1e6,
    Infinity,
    -Infinity,
    NaN,
    2 ** -24,
    2 ** -25,
    2 ** -25 * 1.5,
    3 * 2 ** -26,
    1e-10,
    6.1e-5,
    6.0e-5,
    2 ** -14,
  ];
  strange.forEach((value, index) => (values[index] = value));
  for (let index = 0; index < 4096; index += 1)
    values[32 + index] = (1 + index / 1024 + 2 ** -11) * 2 ** ((index % 40) - 26);
  return { ...tensor, bytes: new Uint8Array(values.buffer) };
}

/** A file of a tiny model. */
export function tinyBytes(path: string): Buffer {
  return readFileSync(join(builtInModelsDirectory, path));
}
