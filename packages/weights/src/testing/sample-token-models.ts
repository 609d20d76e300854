// Sample models whose tokens are told in several places. Not part of the package's public face.

import type { SampleModel } from "./sample-model.ts";
import { llama2, llama3, tiny3 } from "./sample-parts.ts";
import { withAdded } from "./sample-tokenizers.ts";

export const sampleTokenModels: readonly SampleModel[] = [
  {
    name: "llama-3-named-tokens",
    outputType: "auto",
    pre: "llama-bpe",
    config: { ...llama3, vocab_size: 2056, num_hidden_layers: 1 },
    dtype: "BF16",
    shardCount: 1,
    files: {
      "tokenizer.json": tiny3("tokenizer.json"),
      "tokenizer_config.json": {
        json: {
          added_tokens_decoder: {
            "2048": { content: "<|image|>", special: true },
            "2049": { content: "▁word", special: false, normalized: true },
          },
          additional_special_tokens: ["<|extra|>"],
          bos_token: "<|begin_of_text|>",
          eos_token: "<|eot_id|>",
          mask_token: "+",
          pad_token: "<|pad|>",
          tokenizer_class: "PreTrainedTokenizerFast",
        },
      },
    },
  },
  {
    name: "llama-2-tokenizer-json-added",
    outputType: "auto",
    pre: null,
    config: { ...llama2, vocab_size: 2056, num_hidden_layers: 1 },
    dtype: "F16",
    shardCount: 1,
    files: {
      "tokenizer.json": {
        json: withAdded([
          { id: 2048, content: "<|user|>", special: true },
          { id: 2049, content: "<|tool|>", special: false },
          { id: 2050, content: "<|assistant|>", special: true },
        ]),
      },
      "tokenizer_config.json": {
        json: {
          additional_special_tokens: ["<|assistant|>", "<|new|>"],
          bos_token: "<s>",
          eos_token: "</s>",
          pad_token: "<|user|>",
          tokenizer_class: "LlamaTokenizerFast",
        },
      },
    },
  },
];
