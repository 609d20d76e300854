// The vocabulary out of tokenizer.model, with the tokens that were added to it later. Source: llama.cpp v0.5.0,
// conversion/base.py, _create_vocab_sentencepiece.

import { join } from "node:path";
import { UnreadableBytes } from "../gguf/cursor.ts";
import type { ModelConfig } from "./config.ts";
import { isObject, objectOf, unreadable } from "./files.ts";
import { pieceTypes, readSentencePieces, type SentencePiece } from "./sentence-piece-model.ts";
import { looksSpecial, tokenTypes, withSpaces, type TokenizerFiles, type Vocabulary } from "./vocabulary.ts";

const unusedScore = -10_000;
const addedScore = -1_000;

/** As many tokens as the model's vocabulary; places without one are `[PAD…]`, later ones are left out. */
export function sentencePieceVocabulary(
  files: TokenizerFiles,
  bytes: Uint8Array,
  { vocabularySize }: ModelConfig,
): Vocabulary {
  const tokens = Array.from({ length: vocabularySize }, (_, id) => `[PAD${id}]`);
  const scores = Array.from({ length: vocabularySize }, () => unusedScore);
  const types = scores.map((): number => tokenTypes.unused);
  const put = (id: number, token: string, score: number, type: number): void => {
    if (id >= vocabularySize) return;
    tokens[id] = token;
    scores[id] = score;
    types[id] = type;
  };
  for (const [id, { text, score, type }] of readPieces(files, bytes).entries())
    put(id, text, score, ggufType(type));
  for (const [token, id] of Object.entries(files.addedTokens ?? {}))
    put(idOf(id, files, "added_tokens.json"), token, addedScore, tokenTypes.userDefined);
  for (const [id, entry] of Object.entries(objectOf(files.config?.["added_tokens_decoder"]))) {
    const content = isObject(entry) ? entry["content"] : null;
    if (!isObject(entry) || typeof content !== "string")
      throw unreadable(
        join(files.directory, "tokenizer_config.json"),
        `added_tokens_decoder.${id} has no content`,
      );
    const isControl = Boolean(entry["special"]) || looksSpecial(content);
    put(
      idOf(Number(id), files, "tokenizer_config.json"),
      isControl ? content : withSpaces(content),
      addedScore,
      isControl ? tokenTypes.control : tokenTypes.userDefined,
    );
  }
  return { model: "llama", pre: "default", tokens, scores, types, merges: null };
}

function readPieces(files: TokenizerFiles, bytes: Uint8Array): SentencePiece[] {
  try {
    return readSentencePieces(bytes);
  } catch (error) {
    if (!(error instanceof UnreadableBytes)) throw error;
    throw unreadable(join(files.directory, "tokenizer.model"), `${error.message}; fetch it again`, error);
  }
}

/** Tokens that a user defined count as normal ones there. */
function ggufType(type: number): number {
  switch (type) {
    case pieceTypes.unknown:
      return tokenTypes.unknown;
    case pieceTypes.control:
      return tokenTypes.control;
    case pieceTypes.unused:
      return tokenTypes.unused;
    case pieceTypes.byte:
      return tokenTypes.byte;
    default:
      return tokenTypes.normal;
  }
}

function idOf(id: unknown, { directory }: TokenizerFiles, name: string): number {
  if (typeof id === "number" && Number.isSafeInteger(id) && id >= 0) return id;
  throw unreadable(join(directory, name), `it gives a token the id ${JSON.stringify(id)}`);
}
