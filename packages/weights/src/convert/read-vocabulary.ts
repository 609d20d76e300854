// Finds the tokenizer of a directory and reads its vocabulary.

import { join } from "node:path";
import { byteLevelVocabulary } from "./byte-level-vocabulary.ts";
import type { ModelConfig } from "./config.ts";
import { readBytes, readJson, unreadable } from "./files.ts";
import { isSentencePieceJson, sentencePieceJsonVocabulary } from "./sentence-piece-json.ts";
import { sentencePieceVocabulary } from "./sentence-piece-vocabulary.ts";
import type { TokenizerFiles, Vocabulary } from "./vocabulary.ts";

export async function readTokenizerFiles(directory: string): Promise<TokenizerFiles> {
  return {
    directory,
    sentencePiece: await readBytes(directory, "tokenizer.model"),
    tokenizer: await readJson(directory, "tokenizer.json"),
    config: await readJson(directory, "tokenizer_config.json"),
    addedTokens: await readJson(directory, "added_tokens.json"),
  };
}

/** Of the first kind of tokenizer that the directory has. Fails with `weights_unreadable` or `weights_unsupported`. */
export function readVocabulary(files: TokenizerFiles, config: ModelConfig): Vocabulary {
  for (const kind of config.architecture.tokenizers) {
    switch (kind) {
      case "sentence-piece":
        if (files.sentencePiece !== null && !isTiktoken(files.sentencePiece))
          return sentencePieceVocabulary(files, files.sentencePiece, config);
        break;
      case "sentence-piece-json":
        if (files.tokenizer !== null && isSentencePieceJson(files.tokenizer))
          return sentencePieceJsonVocabulary(files, files.tokenizer, config);
        break;
      case "byte-level":
        if (files.tokenizer !== null) return byteLevelVocabulary(files, files.tokenizer, config);
        break;
      default:
        kind satisfies never;
    }
  }
  throw unreadable(
    join(files.directory, "tokenizer.json"),
    "the tokenizer is missing: neither tokenizer.model nor tokenizer.json is there, fetch one",
  );
}

/** Llama 3's own format, under SentencePiece's name: lines of base64 and a rank. tokenizer.json says the same. */
function isTiktoken(bytes: Buffer): boolean {
  return /^[A-Za-z0-9+/]+={0,2} \d+\n/.test(bytes.toString("latin1", 0, 200));
}
