// The tiny byte-level tokenizer with the definitions of other models around it. Not part of the package's public face.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { builtInModelsDirectory } from "../built-in.ts";

export interface TokenizerPatch {
  readonly preTokenizer: unknown;
  readonly normalizer: unknown;
  readonly ignoreMerges: boolean;
  /** Instead of the eight special tokens from id 2,040 on; a text is a special token. */
  readonly added?: readonly (string | { readonly content: string; readonly special: boolean })[];
}

const firstAdded = 2_040;

export function byteLevelTokenizer({
  preTokenizer,
  normalizer,
  ignoreMerges,
  added,
}: TokenizerPatch): unknown {
  const path = join(builtInModelsDirectory, "corral-tiny-3/tokenizer.json");
  const tokenizer = JSON.parse(readFileSync(path, "utf8")) as Record<string, Record<string, unknown>>;
  const patched = {
    ...tokenizer,
    normalizer,
    pre_tokenizer: preTokenizer,
    model: { ...tokenizer["model"], ignore_merges: ignoreMerges },
  };
  if (added === undefined) return patched;
  return {
    ...patched,
    post_processor: { type: "ByteLevel", add_prefix_space: false, trim_offsets: false, use_regex: false },
    added_tokens: added.map((token, index) => ({
      id: firstAdded + index,
      content: typeof token === "string" ? token : token.content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: typeof token === "string" ? true : token.special,
    })),
  };
}

/** The tiny SentencePiece tokenizer with more tokens. */
export function withAdded(added: readonly { id: number; content: string; special: boolean }[]): unknown {
  const path = join(builtInModelsDirectory, "corral-tiny-2/tokenizer.json");
  const tokenizer = JSON.parse(readFileSync(path, "utf8")) as { added_tokens: readonly unknown[] };
  const plain = { single_word: false, lstrip: false, rstrip: false, normalized: false };
  return {
    ...tokenizer,
    added_tokens: [...tokenizer.added_tokens, ...added.map((token) => ({ ...token, ...plain }))],
  };
}

const splitBy = (regex: string) => ({
  type: "Sequence",
  pretokenizers: [
    { type: "Split", pattern: { Regex: regex }, behavior: "Isolated", invert: false },
    { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: false },
  ],
});

/** As the tokenizer.json of each model has them. */
export const definitions = {
  "llama-bpe": {
    preTokenizer: splitBy(
      "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
    ),
    normalizer: null,
    ignoreMerges: true,
  },
  qwen2: {
    preTokenizer: splitBy(
      "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
    ),
    normalizer: { type: "NFC" },
    ignoreMerges: false,
  },
  tekken: {
    preTokenizer: splitBy(
      "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+|[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
    ),
    normalizer: null,
    ignoreMerges: true,
  },
  "gpt-2": {
    preTokenizer: { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true },
    normalizer: null,
    ignoreMerges: false,
  },
  smollm: {
    preTokenizer: {
      type: "Sequence",
      pretokenizers: [
        { type: "Digits", individual_digits: true },
        { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true },
      ],
    },
    normalizer: null,
    ignoreMerges: false,
  },
} satisfies Readonly<Record<string, TokenizerPatch>>;
