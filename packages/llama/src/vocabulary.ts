// The vocabulary of a loaded model: bytes and roles of token ids, and text to ids. Knows no templates.

import { ServingError } from "@corral/contract";
import type { TokenizeOptions, Vocabulary } from "@corral/engine";

import { tokenAttribute, vocabType } from "./abi.ts";
import type { LlamaModel } from "./model.ts";

/** llama.cpp takes lengths as int32, and a token may stand for a single byte. */
const longestTextBytes = 2 ** 31 - 1;

/** Reads a model's vocabulary; what it returns must not be used after the model was disposed of. */
export function createVocabulary(model: LlamaModel): Vocabulary {
  const { abi } = model;
  const vocabulary = model.vocabularyHandle;
  const tokenCount = abi.llama_vocab_n_tokens(vocabulary);
  const bosId = abi.llama_vocab_bos(vocabulary);
  const isSentencePiece = abi.llama_vocab_type(vocabulary) === vocabType.sentencePiece;
  const special = new Uint8Array(tokenCount);
  const endOfGenerationIds: number[] = [];
  for (let id = 0; id < tokenCount; id += 1) {
    const attributes = abi.llama_vocab_get_attr(vocabulary, id);
    special[id] = (attributes & (tokenAttribute.control | tokenAttribute.unknown)) === 0 ? 0 : 1;
    if (abi.llama_vocab_is_eog(vocabulary, id)) endOfGenerationIds.push(id);
  }
  const pieces: (Uint8Array | undefined)[] = Array.from({ length: tokenCount });
  let piece = Buffer.alloc(256);

  function checkId(id: number): void {
    if (Number.isInteger(id) && id >= 0 && id < tokenCount) return;
    throw new ServingError("engine_misuse", `Token ids are integers in [0, ${tokenCount}), given ${id}.`);
  }

  function readPiece(id: number): Uint8Array {
    const handle = model.vocabularyHandle;
    let length = abi.llama_token_to_piece(handle, id, piece, piece.length, 0, true);
    if (length < 0) {
      piece = Buffer.alloc(-length);
      length = abi.llama_token_to_piece(handle, id, piece, piece.length, 0, true);
    }
    return Uint8Array.from(piece.subarray(0, length));
  }

  return {
    tokenCount,
    bosId: bosId < 0 ? null : bosId,
    endOfGenerationIds,
    stripsLeadingSpace:
      isSentencePiece && model.info.metadata.get("tokenizer.ggml.add_space_prefix") !== "false",
    bytesOf(id) {
      checkId(id);
      return (pieces[id] ??= readPiece(id));
    },
    isSpecial(id) {
      checkId(id);
      return special[id] === 1;
    },
    tokenize(text: string, { addSpecialTokens, parseSpecialTokens }: TokenizeOptions) {
      const handle = model.vocabularyHandle;
      // A lone surrogate has no UTF-8 form and becomes U+FFFD, as everywhere in Node.
      const bytes = Buffer.from(text, "utf8");
      if (bytes.length > longestTextBytes) {
        throw new ServingError(
          "engine_misuse",
          `A text of ${bytes.length} bytes is over the tokenizer's limit of ${longestTextBytes}.`,
        );
      }
      // One token per byte is the common upper bound; where it is not enough, the answer is the count needed.
      let ids = new Int32Array(bytes.length + 8);
      const run = () =>
        abi.llama_tokenize(
          handle,
          bytes,
          bytes.length,
          ids,
          ids.length,
          addSpecialTokens,
          parseSpecialTokens,
        );
      let count = run();
      if (count < 0 && count > -longestTextBytes) {
        ids = new Int32Array(-count);
        count = run();
      }
      if (count < 0) throw new ServingError("engine_misuse", "The text has more tokens than can be counted.");
      return Array.from(ids.subarray(0, count));
    },
  };
}
