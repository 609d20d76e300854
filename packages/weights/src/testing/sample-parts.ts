// What the sample models share: configurations and tokenizer files. Not part of the package's public face.

import type { SampleFile } from "./sample-model.ts";
import { byteLevelTokenizer, definitions, type TokenizerPatch } from "./sample-tokenizers.ts";

const shape = {
  hidden_size: 64,
  intermediate_size: 96,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  num_hidden_layers: 2,
  vocab_size: 2048,
  rms_norm_eps: 1e-5,
};
export const llama2 = {
  architectures: ["LlamaForCausalLM"],
  model_type: "llama",
  ...shape,
  bos_token_id: 1,
  eos_token_id: 2,
  max_position_embeddings: 4096,
  rope_theta: 10_000,
  tie_word_embeddings: false,
};
export const llama3 = {
  ...llama2,
  bos_token_id: 2040,
  eos_token_id: [2041, 2047],
  max_position_embeddings: 8192,
  rope_theta: 500_000,
};
export const qwen2 = {
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

export const tiny2 = (name: string): SampleFile => ({ copyOf: `corral-tiny-2/${name}` });
export const tiny3 = (name: string): SampleFile => ({ copyOf: `corral-tiny-3/${name}` });
export const sentencePiece = {
  "tokenizer.model": tiny2("tokenizer.model"),
  "tokenizer.json": tiny2("tokenizer.json"),
  "tokenizer_config.json": tiny2("tokenizer_config.json"),
};
export const byteLevel = {
  "tokenizer.json": tiny3("tokenizer.json"),
  "tokenizer_config.json": tiny3("tokenizer_config.json"),
};
export const patched = (patch: TokenizerPatch): SampleFile => ({ json: byteLevelTokenizer(patch) });
const qwenTokens = [
  "<|endoftext|>",
  "<|im_start|>",
  "<|im_end|>",
  { content: "<tool_call>", special: false },
  { content: "<|fim_prefix|>", special: false },
];
export const qwenFiles = {
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
export const llama31Rope = {
  factor: 8,
  low_freq_factor: 1,
  high_freq_factor: 4,
  original_max_position_embeddings: 8192,
  rope_type: "llama3",
};
