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

/**
 * By id, those of tokenizer_config.json included. Tokens that have a role or are listed as special there are special;
 * where no file gives one an id, it gets the next.
 */
export function addedTokens(
  { directory, config }: TokenizerFiles,
  tokenizer: JsonObject,
  base: ReadonlyMap<number, string>,
): Map<number, AddedToken> {
  const added = new Map<number, AddedToken>();
  const contents = new Set<string>();
  const add = (id: unknown, entry: JsonObject, file: string): void => {
    const { content, special } = entry;
    if (typeof id !== "number" || !Number.isSafeInteger(id) || id < 0 || typeof content !== "string")
      throw unreadable(
        join(directory, file),
        `an added token has the id ${JSON.stringify(id)} and the content ${JSON.stringify(content)}`,
      );
    if (contents.has(content)) return;
    contents.add(content);
    added.set(id, { id, content, special: special === true });
  };
  for (const entry of listOf(tokenizer["added_tokens"]))
    add(objectOf(entry)["id"], objectOf(entry), "tokenizer.json");
  for (const [id, entry] of Object.entries(objectOf(config?.["added_tokens_decoder"])))
    add(Number(id), objectOf(entry), "tokenizer_config.json");
  const named = [...specialContents(config ?? {})].filter((content) => !contents.has(content));
  if (named.length === 0) return added;
  const baseIds = new Map([...base].map(([id, content]) => [content, id]));
  let nextId = [...base.keys(), ...added.keys()].reduce((most, id) => Math.max(most, id), -1) + 1;
  for (const content of named)
    add(baseIds.get(content) ?? nextId++, { content, special: true }, "tokenizer_config.json");
  return added;
}

const roles = ["bos", "eos", "unk", "sep", "pad", "cls", "mask"];

/** Tokens that have a role, then those listed as special. */
export function specialContents(config: JsonObject): ReadonlySet<string> {
  const contents = [
    ...roles.map((role) => tokenContent(config[`${role}_token`])),
    ...listOf(config["additional_special_tokens"]).map(tokenContent),
    ...listOf(config["extra_special_tokens"]).map(tokenContent),
  ];
  return new Set(contents.filter((content) => content !== null));
}

/** The text of a token that is written as such or as an object. */
export function tokenContent(entry: unknown): string | null {
  if (typeof entry === "string") return entry;
  const content = objectOf(entry)["content"];
  return typeof content === "string" ? content : null;
}
