// The vocabulary out of a byte-level BPE tokenizer.json: Llama 3, Qwen, Mistral Nemo. Source: llama.cpp v0.5.0,
// conversion/base.py, get_vocab_base, and gguf-py/gguf/vocab.py (merges).

import { join } from "node:path";
import type { ModelConfig } from "./config.ts";
import { objectOf, unreadable, type JsonObject } from "./files.ts";
import { recognizePreTokenizer } from "./pre-tokenizer.ts";
import { addedTokens, baseVocabulary } from "./tokenizer-json.ts";
import { looksSpecial, tokenTypes, withSpaces, type TokenizerFiles, type Vocabulary } from "./vocabulary.ts";

export function byteLevelVocabulary(
  files: TokenizerFiles,
  tokenizer: JsonObject,
  { vocabularySize }: ModelConfig,
): Vocabulary {
  const path = join(files.directory, "tokenizer.json");
  const pre = recognizePreTokenizer(tokenizer, path);
  const base = baseVocabulary(tokenizer, path);
  const added = addedTokens(files, tokenizer, base);
  for (const id of [...base.keys(), ...added.keys()]) {
    if (id >= vocabularySize)
      throw unreadable(path, `it has a token ${id}, and vocab_size in config.json is ${vocabularySize}`);
  }
  const tokens: string[] = [];
  const types: number[] = [];
  for (let id = 0; id < vocabularySize; id += 1) {
    const token = added.get(id);
    const plain = base.get(id);
    if (token !== undefined) {
      const isControl = token.special || looksSpecial(token.content);
      tokens.push(isControl ? token.content : withSpaces(token.content));
      types.push(isControl ? tokenTypes.control : tokenTypes.userDefined);
    } else {
      tokens.push(plain ?? `[PAD${id}]`);
      types.push(plain === undefined ? tokenTypes.unused : tokenTypes.normal);
    }
  }
  return { model: "gpt2", pre, tokens, scores: null, types, merges: readMerges(tokenizer, path) };
}

/** A pair's parts are parted by a space, so a space inside one is written as byte-level BPE writes it. */
function readMerges(tokenizer: JsonObject, path: string): string[] {
  const merges = objectOf(tokenizer["model"])["merges"];
  if (!Array.isArray(merges)) throw unreadable(path, "model.merges is no list: fetch it again");
  return merges.map((merge: unknown) => {
    if (typeof merge === "string") return merge;
    const [left, right] = Array.isArray(merge) ? (merge as unknown[]) : [];
    if (typeof left !== "string" || typeof right !== "string")
      throw unreadable(path, `model.merges holds ${JSON.stringify(merge)}, which is no pair`);
    return `${left.replaceAll(" ", "Ġ")} ${right.replaceAll(" ", "Ġ")}`;
  });
}
