// What tokenizer.json and tokenizer_config.json say of tokens: the base vocabulary, added tokens, special ones.
// Source: huggingface/tokenizers (the file's form) and transformers 5.23.0 (which tokens count as special).

import { join } from "node:path";
import { isObject, listOf, objectOf, unreadable, type JsonObject } from "./files.ts";
import type { TokenizerFiles } from "./vocabulary.ts";

export interface AddedToken {
  readonly id: number;
  readonly content: string;
  readonly special: boolean;
}

/** Text by id, of the model's own vocabulary. Fails with `weights_unreadable`. */
export function baseVocabulary(tokenizer: JsonObject, path: string): Map<number, string> {
  const vocabulary = objectOf(tokenizer["model"])["vocab"];
  if (!isObject(vocabulary)) throw unreadable(path, "model.vocab is no table of tokens: fetch it again");
  const tokens = new Map<number, string>();
  for (const [token, id] of Object.entries(vocabulary)) {
    if (typeof id !== "number" || !Number.isSafeInteger(id) || id < 0)
      throw unreadable(path, `model.vocab gives ${JSON.stringify(token)} the id ${JSON.stringify(id)}`);
    tokens.set(id, token);
  }
  if (tokens.size === 0) throw unreadable(path, "model.vocab is empty: fetch it again");
  return tokens;
}

/** By id, those of tokenizer_config.json included. */
export function addedTokens(
  { directory, config }: TokenizerFiles,
  tokenizer: JsonObject,
): Map<number, AddedToken> {
  const path = join(directory, "tokenizer.json");
  const added = new Map<number, AddedToken>();
  const contents = new Set<string>();
  const add = (id: unknown, entry: JsonObject, file: string): void => {
    const { content, special } = entry;
    if (typeof id !== "number" || !Number.isSafeInteger(id) || id < 0 || typeof content !== "string")
      throw unreadable(
        file,
        `an added token has the id ${JSON.stringify(id)} and the content ${JSON.stringify(content)}`,
      );
    if (contents.has(content)) return;
    contents.add(content);
    added.set(id, { id, content, special: special === true });
  };
  for (const entry of listOf(tokenizer["added_tokens"])) add(objectOf(entry)["id"], objectOf(entry), path);
  for (const [id, entry] of Object.entries(objectOf(config?.["added_tokens_decoder"])))
    add(Number(id), objectOf(entry), join(directory, "tokenizer_config.json"));
  return added;
}

/** The text of a token that is written as such or as an object. */
export function tokenContent(entry: unknown): string | null {
  if (typeof entry === "string") return entry;
  const content = objectOf(entry)["content"];
  return typeof content === "string" ? content : null;
}
