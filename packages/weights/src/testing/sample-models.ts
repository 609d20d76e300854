// Tiny models of every kind that is converted: `scripts/oracle/record_conversion.py` records what llama.cpp's converter
// makes of them. Not part of the package's public face.

import type { SampleModel } from "./sample-model.ts";
import {
  byteLevel,
  llama2,
  llama3,
  llama31Rope,
  patched,
  qwen2,
  qwenFiles,
  sentencePiece,
  tiny2,
  tiny3,
} from "./sample-parts.ts";
import { sampleTokenModels } from "./sample-token-models.ts";
import { definitions } from "./sample-tokenizers.ts";
import { strangeHalves, strangeSingles } from "./strange-floats.ts";

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
    config: { ...llama3, head_dim: 128, max_position_embeddings: 131_072, rope_scaling: llama31Rope },
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
      head_dim: 64,
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
    files: { ...byteLevel, "tokenizer.json": patched({ ...definitions["llama-bpe"], ignoreMerges: false }) },
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
  ...sampleTokenModels,
];
