// Everything that GGUF says of a tokenizer. Source: llama.cpp v0.5.0, conversion/llama.py (set_vocab) and base.py.

import { chatTemplateMetadata } from "./chat-template.ts";
import type { ModelConfig } from "./config.ts";
import { isObject, listOf, type JsonObject } from "./files.ts";
import { bool, u32, type Metadata } from "./model-metadata.ts";
import { readTokenizerFiles, readVocabulary } from "./read-vocabulary.ts";
import { specialTokenMetadata } from "./special-tokens.ts";
import { vocabularyMetadata } from "./vocabulary.ts";

/** Vocabularies of Code Llama and of Granite's small models, which need a word more. */
const codeLlamaSize = 32_016;
const codeLlamaEndOfInfill = 32_010;
const graniteSize = 49_152;

export async function tokenizerMetadata(directory: string, config: ModelConfig): Promise<Metadata> {
  const files = await readTokenizerFiles(directory);
  const vocabulary = readVocabulary(files, config);
  const { merges } = vocabulary;
  const isLlama = config.architecture.name === "llama";
  const addsSpace = files.config?.["add_prefix_space"];
  const special = specialTokenMetadata({
    tokenizer: files.tokenizer,
    tokenizerConfig: files.config,
    modelConfig: config.raw,
    tokenCount: vocabulary.model === "llama" ? vocabulary.tokens.length : null,
    path: directory,
  });
  return {
    ...(isLlama && typeof addsSpace === "boolean"
      ? { "tokenizer.ggml.add_space_prefix": bool(addsSpace) }
      : {}),
    ...vocabularyMetadata(vocabulary),
    ...(merges === null || merges.length === 0
      ? {}
      : { "tokenizer.ggml.merges": { type: "strings", items: merges } }),
    ...special,
    ...(await chatTemplateMetadata(directory, files.config)),
    ...normalizerMetadata(files.tokenizer?.["normalizer"]),
    ...(isLlama && config.vocabularySize === codeLlamaSize
      ? { "tokenizer.ggml.eot_token_id": u32(codeLlamaEndOfInfill) }
      : {}),
    ...(isLlama && config.vocabularySize === graniteSize
      ? { "tokenizer.ggml.add_bos_token": bool(false) }
      : {}),
  };
}

function normalizerMetadata(normalizer: unknown): Metadata {
  if (!isObject(normalizer)) return {};
  switch (normalizer["type"]) {
    case "Lowercase":
      return { "tokenizer.ggml.normalizer.lowercase": bool(true) };
    case "StripAccents":
      return { "tokenizer.ggml.normalizer.strip_accents": bool(true) };
    case "Sequence":
      return Object.assign({}, ...listOf(normalizer["normalizers"]).map(normalizerMetadata)) as Metadata;
    case "BertNormalizer":
      return bertNormalizer(normalizer);
    default:
      return {};
  }
}

function bertNormalizer({ lowercase, strip_accents: stripAccents }: JsonObject): Metadata {
  return {
    ...(typeof lowercase === "boolean" ? { "tokenizer.ggml.normalizer.lowercase": bool(lowercase) } : {}),
    ...(typeof stripAccents === "boolean"
      ? { "tokenizer.ggml.normalizer.strip_accents": bool(stripAccents) }
      : {}),
  };
}
