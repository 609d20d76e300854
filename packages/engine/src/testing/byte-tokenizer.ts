// A vocabulary of single bytes and a few specials: ids 0-255 are the bytes, then BOS, EOS, PAD and a header token.

import type { Vocabulary } from "../vocabulary.ts";

export const byteTokenIds = { bos: 256, eos: 257, pad: 258, header: 259 } as const;
export const byteTokenCount = 260;

const specials = ["<bos>", "<eos>", "<pad>", "<header>"] as const;

export interface ByteTokenizerOptions {
  /** As SentencePiece vocabularies do: a decoded text loses one leading space. Default false. */
  readonly stripsLeadingSpace?: boolean;
}

export function createByteTokenizer(options: ByteTokenizerOptions = {}): Vocabulary {
  const encoder = new TextEncoder();
  return {
    tokenCount: byteTokenCount,
    bosId: byteTokenIds.bos,
    endOfGenerationIds: [byteTokenIds.eos],
    stripsLeadingSpace: options.stripsLeadingSpace ?? false,
    isSpecial: (id) => id >= 256,
    bytesOf(id) {
      if (!Number.isInteger(id) || id < 0 || id >= byteTokenCount)
        throw new RangeError(`There is no token ${id}.`);
      return id < 256 ? Uint8Array.of(id) : encoder.encode(specials[id - 256]);
    },
    tokenize(text, { addSpecialTokens, parseSpecialTokens }) {
      const parts = parseSpecialTokens ? text.split(/(<bos>|<eos>|<pad>|<header>)/) : [text];
      const ids = parts.flatMap((part) => {
        const special = parseSpecialTokens ? specials.indexOf(part as (typeof specials)[number]) : -1;
        return special === -1 ? [...encoder.encode(part)] : [256 + special];
      });
      return addSpecialTokens ? [byteTokenIds.bos, ...ids] : ids;
    },
  };
}
