// The vocabulary of a SentencePiece tokenizer of which only tokenizer.json is there: Llama 2 without tokenizer.model.
// It has no scores. Source: llama.cpp v0.5.0, gguf-py/gguf/vocab.py, LlamaHfVocab.

import { join } from "node:path";
import { objectOf, type JsonObject } from "./files.ts";
import { addedTokens, baseVocabulary, specialContents } from "./tokenizer-json.ts";
import { tokenTypes, type TokenizerFiles, type Vocabulary } from "./vocabulary.ts";

/** BPE that falls back to bytes, with a decoder of several steps. */
export function isSentencePieceJson(tokenizer: JsonObject): boolean {
  const model = objectOf(tokenizer["model"]);
  const decoder = objectOf(tokenizer["decoder"]);
  return model["type"] === "BPE" && model["byte_fallback"] === true && decoder["type"] === "Sequence";
}

const score = -1_000;

export function sentencePieceJsonVocabulary(files: TokenizerFiles, tokenizer: JsonObject): Vocabulary {
  const path = join(files.directory, "tokenizer.json");
  const base = baseVocabulary(tokenizer, path);
  const special = specialContents(withDefaults(files.config));
  const tokens: string[] = [];
  const types: number[] = [];
  for (const [, token] of [...base].toSorted(([a], [b]) => a - b)) {
    tokens.push(token);
    if (/^<0x[0-9A-Fa-f]{2}>$/.test(token)) types.push(tokenTypes.byte);
    else types.push(special.has(token) ? tokenTypes.control : tokenTypes.normal);
  }
  const added = [...addedTokens(files, tokenizer, base).values()].filter(({ id }) => id >= base.size);
  for (const { content } of added.toSorted((a, b) => a.id - b.id)) {
    tokens.push(content);
    types.push(special.has(content) ? tokenTypes.control : tokenTypes.userDefined);
  }
  return {
    model: "llama",
    pre: "default",
    tokens,
    scores: tokens.map(() => score),
    types,
    merges: null,
  };
}

/** What the class itself names where the file does not. */
const llamaDefaults = { bos_token: "<s>", eos_token: "</s>", unk_token: "<unk>" };

function withDefaults(config: JsonObject | null): JsonObject {
  const isLlama = /^(Llama|CodeLlama)Tokenizer/.test(String(config?.["tokenizer_class"]));
  return { ...(isLlama ? llamaDefaults : {}), ...config };
}
