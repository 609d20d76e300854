// Whether a text can fit in a context at all, told before it is tokenized. Knows the vocabulary, no templates.

import { fieldsError, type FieldError, type ServingError } from "@corral/contract";
import type { Vocabulary } from "@corral/engine";

/** Texts below this are cheap to tokenize, however short the context: 30 ms at most. */
export const cheapTextLength = 16 * 1024;

export interface Room {
  readonly vocabulary: Vocabulary;
  readonly contextLength: number;
}

/**
 * Refuses what cannot fit before seconds are spent on tokenizing it, on the event loop. Two bounds from below: a token
 * stands for a bounded number of bytes, and characters that no token joins with others take one token each at least
 * (of those, SentencePiece's algorithm takes time that grows with the square).
 */
export function refuseHugeText({ vocabulary, contextLength }: Room, text: string, pointer: string): void {
  if (text.length <= cheapTextLength) return;
  const { longestTokenBytes, joinedCharacters } = vocabularyBounds(vocabulary);
  // As the tokenizer sees it: SentencePiece takes its own sign for a space as one.
  const read = text.toWellFormed().replaceAll("\u2581", " ");
  let leastTokens = Math.ceil(Buffer.byteLength(read) / longestTokenBytes);
  if (leastTokens < contextLength) leastTokens = Math.max(leastTokens, countLone(read, joinedCharacters));
  if (leastTokens < contextLength) return;
  const message =
    `The prompt has ${text.length} characters, at least ${leastTokens} tokens, and the model's context is ` +
    `${contextLength} tokens. Shorten it.`;
  throw refusal("prompt_too_long", pointer, message);
}

export interface VocabularyBounds {
  readonly longestTokenBytes: number;
  /** Indexed by code point: 1 where a token holds the character and more. */
  readonly joinedCharacters: Uint8Array;
}

const boundsByVocabulary = new WeakMap<Vocabulary, VocabularyBounds>();

/** Reads every token, once for a vocabulary: to be asked for before calls are served. */
export function vocabularyBounds(vocabulary: Vocabulary): VocabularyBounds {
  const known = boundsByVocabulary.get(vocabulary);
  if (known !== undefined) return known;
  let longestTokenBytes = 1;
  const joinedCharacters = new Uint8Array(0x11_0000);
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  for (let id = 0; id < vocabulary.tokenCount; id += 1) {
    const bytes = vocabulary.bytesOf(id);
    longestTokenBytes = Math.max(longestTokenBytes, bytes.length);
    const characters = Array.from(decoder.decode(bytes));
    if (characters.length < 2) continue;
    for (const character of characters) joinedCharacters[character.codePointAt(0) ?? 0] = 1;
  }
  const bounds = { longestTokenBytes, joinedCharacters };
  boundsByVocabulary.set(vocabulary, bounds);
  return bounds;
}

/** Characters of the text that no token joins with another: each has a token, or several, that no other of them has. */
function countLone(text: string, joinedCharacters: Uint8Array): number {
  let count = 0;
  for (let index = 0; index < text.length; index += 1) {
    const codePoint = text.codePointAt(index) ?? 0;
    if (codePoint > 0xffff) index += 1;
    if (joinedCharacters[codePoint] === 0) count += 1;
  }
  return count;
}

export function refusal(code: FieldError["code"], pointer: string, message: string): ServingError {
  return fieldsError([{ pointer, code, message }]);
}
