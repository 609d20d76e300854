// A model's tokens as GGUF has them: ids in order, each with its text, kind and, in SentencePiece's case, score.

import type { JsonObject } from "./files.ts";
import type { Metadata } from "./model-metadata.ts";

/** `enum llama_token_type` of llama.h. */
export const tokenTypes = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 } as const;

export interface Vocabulary {
  /** "llama": SentencePiece · "gpt2": byte-level BPE. */
  readonly model: "llama" | "gpt2";
  /** llama.cpp's name of how text is cut before tokens are looked up. */
  readonly pre: string;
  readonly tokens: readonly string[];
  readonly scores: readonly number[] | null;
  readonly types: readonly number[];
  /** Pairs in order, for byte-level BPE. */
  readonly merges: readonly string[] | null;
}

export interface TokenizerFiles {
  readonly directory: string;
  readonly sentencePiece: Buffer | null;
  readonly tokenizer: JsonObject | null;
  readonly config: JsonObject | null;
  readonly addedTokens: JsonObject | null;
}

export function vocabularyMetadata({ model, pre, tokens, scores, types }: Vocabulary): Metadata {
  return {
    "tokenizer.ggml.model": { type: "string", value: model },
    "tokenizer.ggml.pre": { type: "string", value: pre },
    "tokenizer.ggml.tokens": { type: "strings", items: tokens },
    ...(scores === null ? {} : { "tokenizer.ggml.scores": { type: "numbers", of: "f32", items: scores } }),
    "tokenizer.ggml.token_type": { type: "numbers", of: "i32", items: types },
  };
}

/** Tokens that some models forgot to mark as special. Source: conversion/base.py, does_token_look_special. */
export function looksSpecial(token: string): boolean {
  return (
    ["<pad>", "<mask>", "<2mass>", "[@BOS@]"].includes(token) ||
    (token.startsWith("<|") && token.endsWith("|>")) ||
    (token.startsWith("<｜") && token.endsWith("｜>")) ||
    (token.startsWith("<unused") && token.endsWith(">"))
  );
}

/** What llama.cpp looks for in raw text: a space, not the letter that SentencePiece writes for one. */
export function withSpaces(token: string): string {
  return token.replaceAll("\u2581", " ");
}
