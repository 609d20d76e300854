// Tokenizers of any size that llama.cpp loads and that read any text: bytes, letters, and words of letters, each made
// of a shorter word and a letter. Pure. Source of what is needed: llama.cpp v0.5.0, llama-vocab.cpp, load.

import type { WritableValue } from "@corral/weights";

/** Llama 2's kind and Llama 3's. */
export type VocabularyKind = "sentence-piece" | "byte-level";

export interface RandomVocabulary {
  readonly metadata: Readonly<Record<string, WritableValue>>;
  /**
   * Ids no generation should contain: special ones, which may end it, and bytes, which may be parts of a character
   * that a server holds back or goes on for. Without them a run has as many tokens and events as it was told.
   */
  readonly unwantedTokens: ReadonlySet<number>;
}

/** `enum llama_token_type`. */
const tokenTypes = { normal: 1, unknown: 2, control: 3, byte: 6 } as const;
const letters = Array.from("abcdefghijklmnopqrstuvwxyz");
const byteCount = 256;

export function createVocabulary(kind: VocabularyKind, size: number): RandomVocabulary {
  return kind === "sentence-piece" ? sentencePiece(size) : byteLevel(size);
}

/** Unknown, beginning, end, bytes, then words; a shorter word is likelier. */
function sentencePiece(size: number): RandomVocabulary {
  const specials = ["<unk>", "<s>", "</s>"];
  const bytes = Array.from(
    { length: byteCount },
    (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`,
  );
  const roots = ["▁", ...letters];
  const firstWord = specials.length + byteCount;
  const words = growWords(roots, size - firstWord - roots.length).map(({ word }) => word);
  const tokens = [...specials, ...bytes, ...roots, ...words];
  const types = tokens.map((_, id) => {
    if (id === 0) return tokenTypes.unknown;
    if (id < specials.length) return tokenTypes.control;
    return id < firstWord ? tokenTypes.byte : tokenTypes.normal;
  });
  const scores = tokens.map((_, id) => (id < firstWord ? 0 : firstWord - id));
  return {
    metadata: {
      "tokenizer.ggml.model": { type: "string", value: "llama" },
      "tokenizer.ggml.tokens": { type: "strings", items: tokens },
      "tokenizer.ggml.scores": { type: "numbers", of: "f32", items: scores },
      "tokenizer.ggml.token_type": { type: "numbers", of: "i32", items: types },
      "tokenizer.ggml.bos_token_id": { type: "u32", value: 1 },
      "tokenizer.ggml.eos_token_id": { type: "u32", value: 2 },
      "tokenizer.ggml.unknown_token_id": { type: "u32", value: 0 },
      "tokenizer.ggml.add_bos_token": { type: "bool", value: true },
      "tokenizer.ggml.add_eos_token": { type: "bool", value: false },
    },
    unwantedTokens: range(0, firstWord),
  };
}

/** Bytes, words with their merges, then the 256 special tokens where Llama 3 has them. */
function byteLevel(size: number): RandomVocabulary {
  const specialCount = 256;
  const firstSpecial = size - specialCount;
  const bytes = Array.from({ length: byteCount }, (_, byte) => printable(byte));
  const grown = growWords([printable(0x20), ...letters], firstSpecial - byteCount);
  const specials = Array.from(
    { length: specialCount },
    (_, index) => specialNames[index] ?? `<|reserved_${index}|>`,
  );
  const tokens = [...bytes, ...grown.map(({ word }) => word), ...specials];
  const types = tokens.map((_, id) => (id < firstSpecial ? tokenTypes.normal : tokenTypes.control));
  return {
    metadata: {
      "tokenizer.ggml.model": { type: "string", value: "gpt2" },
      "tokenizer.ggml.pre": { type: "string", value: "llama-bpe" },
      "tokenizer.ggml.tokens": { type: "strings", items: tokens },
      "tokenizer.ggml.token_type": { type: "numbers", of: "i32", items: types },
      "tokenizer.ggml.merges": { type: "strings", items: grown.map(({ left, right }) => `${left} ${right}`) },
      "tokenizer.ggml.bos_token_id": { type: "u32", value: firstSpecial },
      "tokenizer.ggml.eos_token_id": { type: "u32", value: firstSpecial + 9 },
      "tokenizer.ggml.add_bos_token": { type: "bool", value: true },
    },
    unwantedTokens: new Set([...range(0, byteCount), ...range(firstSpecial, size)]),
  };
}

/** Names of Llama 3's special tokens by their place among them. */
const specialNames: Readonly<Record<number, string>> = {
  0: "<|begin_of_text|>",
  1: "<|end_of_text|>",
  6: "<|start_header_id|>",
  7: "<|end_header_id|>",
  9: "<|eot_id|>",
};

interface Word {
  readonly word: string;
  readonly left: string;
  readonly right: string;
}

/** The first `count` words in order of length: each root or earlier word, and a letter. */
function growWords(roots: readonly string[], count: number): Word[] {
  const words: Word[] = [];
  let lefts = roots;
  while (words.length < count) {
    const grown = lefts.flatMap((left) => letters.map((right) => ({ word: left + right, left, right })));
    words.push(...grown.slice(0, count - words.length));
    lefts = grown.map(({ word }) => word);
  }
  return words;
}

/** How byte-level tokenizers write a byte as a letter. Source: openai/gpt-2, encoder.py, bytes_to_unicode. */
function printable(byte: number): string {
  const isPrintable = (code: number) =>
    (code >= 0x21 && code <= 0x7e) || (code >= 0xa1 && code <= 0xac) || (code >= 0xae && code <= 0xff);
  if (isPrintable(byte)) return String.fromCodePoint(byte);
  let place = 0;
  for (let code = 0; code < byte; code += 1) if (!isPrintable(code)) place += 1;
  return String.fromCodePoint(0x100 + place);
}

function range(start: number, end: number): Set<number> {
  return new Set(Array.from({ length: end - start }, (_, index) => start + index));
}
