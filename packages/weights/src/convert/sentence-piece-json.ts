// The vocabulary of a SentencePiece tokenizer of which only tokenizer.json is there: Llama 2 without tokenizer.model.
// It has no scores. Source: llama.cpp v0.5.0, gguf-py/gguf/vocab.py, LlamaHfVocab.

import { join } from "node:path";
import { listOf, objectOf, type JsonObject } from "./files.ts";
import { addedTokens, baseVocabulary, tokenContent } from "./tokenizer-json.ts";
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
  const special = specialContents(files.config);
  const tokens: string[] = [];
  const types: number[] = [];
  for (const [, token] of [...base].toSorted(([a], [b]) => a - b)) {
    tokens.push(token);
    if (/^<0x[0-9A-Fa-f]{2}>$/.test(token)) types.push(tokenTypes.byte);
    else types.push(special.has(token) ? tokenTypes.control : tokenTypes.normal);
  }
  const added = [...addedTokens(files, tokenizer).values()].filter(({ id }) => id >= base.size);
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

const roles = ["bos", "eos", "unk", "sep", "pad", "cls", "mask"];
/** What the class itself names where the file does not. */
const llamaDefaults = { bos_token: "<s>", eos_token: "</s>", unk_token: "<unk>" };

/** Those with a role, and those listed as special besides. */
function specialContents(config: JsonObject | null): ReadonlySet<string> {
  const isLlama = /^(Llama|CodeLlama)Tokenizer/.test(String(config?.["tokenizer_class"]));
  const named: JsonObject = { ...(isLlama ? llamaDefaults : {}), ...config };
  const contents = [
    ...roles.map((role) => tokenContent(named[`${role}_token`])),
    ...listOf(named["additional_special_tokens"]).map(tokenContent),
    ...listOf(named["extra_special_tokens"]).map(tokenContent),
  ];
  return new Set(contents.filter((content) => content !== null));
}
