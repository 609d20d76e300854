// The vocabulary of a SentencePiece tokenizer of which only tokenizer.json is there: Llama 2 without tokenizer.model.
// It has no scores. Source: llama.cpp v0.5.0, gguf-py/gguf/vocab.py, LlamaHfVocab.

import { join } from "node:path";
import type { ModelConfig } from "./config.ts";
import { objectOf, unreadable, type JsonObject } from "./files.ts";
import { addedTokens, baseVocabulary, specialContents } from "./tokenizer-json.ts";
import { tokenTypes, type TokenizerFiles, type Vocabulary } from "./vocabulary.ts";

/** BPE that falls back to bytes, with a decoder of several steps. */
export function isSentencePieceJson(tokenizer: JsonObject): boolean {
  const model = objectOf(tokenizer["model"]);
  const decoder = objectOf(tokenizer["decoder"]);
  return model["type"] === "BPE" && model["byte_fallback"] === true && decoder["type"] === "Sequence";
}

const score = -1_000;

/**
 * As many tokens as there are, even where the embedding has more rows: so does llama.cpp's converter, and what it makes
 * of such a model cannot be loaded. Fails with `weights_unreadable` for ids beyond those rows, or with gaps.
 */
export function sentencePieceJsonVocabulary(
  files: TokenizerFiles,
  tokenizer: JsonObject,
  { vocabularySize }: ModelConfig,
): Vocabulary {
  const path = join(files.directory, "tokenizer.json");
  const base = baseVocabulary(tokenizer, path);
  const added = [...addedTokens(files, tokenizer, base).values()].filter(({ id }) => id >= base.size);
  checkIds([...base.keys(), ...added.map(({ id }) => id)], vocabularySize, path);
  const special = specialContents(withDefaults(files.config));
  const tokens: string[] = [];
  const types: number[] = [];
  for (const [, token] of [...base].toSorted(([a], [b]) => a - b)) {
    tokens.push(token);
    if (/^<0x[0-9A-Fa-f]{2}>$/.test(token)) types.push(tokenTypes.byte);
    else types.push(special.has(token) ? tokenTypes.control : tokenTypes.normal);
  }
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

/** Tokens are written in the order of their ids, so a gap would give the later ones the rows of others. */
function checkIds(ids: readonly number[], vocabularySize: number, path: string): void {
  for (const [place, id] of ids.toSorted((a, b) => a - b).entries()) {
    if (id >= vocabularySize)
      throw unreadable(path, `it has a token ${id}, and vocab_size in config.json is ${vocabularySize}`);
    if (id !== place)
      throw unreadable(path, `it has no token ${place} and a token ${id}; fetch tokenizer.model as well`);
  }
}

/** What the class itself names where the file does not. */
const llamaDefaults = { bos_token: "<s>", eos_token: "</s>", unk_token: "<unk>" };

function withDefaults(config: JsonObject | null): JsonObject {
  const isLlama = /^(Llama|CodeLlama)Tokenizer/.test(String(config?.["tokenizer_class"]));
  return { ...(isLlama ? llamaDefaults : {}), ...config };
}
