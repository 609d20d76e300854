// Reads tokenizer.model: the pieces of a SentencePiece model, which is a protocol buffer. Trusts no length in it.
// Source: google/sentencepiece, src/sentencepiece_model.proto; protobuf.dev, "Encoding".

import { UnreadableBytes } from "../gguf/cursor.ts";

/** `SentencePiece.Type`. */
export const pieceTypes = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 } as const;

export interface SentencePiece {
  readonly text: string;
  readonly score: number;
  /** A value of `pieceTypes`. */
  readonly type: number;
}

const piecesField = 1;

/** By id. Fails with `UnreadableBytes`, whatever the bytes are. */
export function readSentencePieces(bytes: Uint8Array): SentencePiece[] {
  const pieces: SentencePiece[] = [];
  for (const { field, wire, value } of fieldsOf(bytes)) {
    if (field !== piecesField) continue;
    if (wire !== 2) throw damaged();
    pieces.push(readPiece(value));
  }
  if (pieces.length === 0) throw new UnreadableBytes("it holds no tokens: it is not a SentencePiece model");
  return pieces;
}

function readPiece(bytes: Uint8Array): SentencePiece {
  let text = "";
  let score = 0;
  let type: number = pieceTypes.normal;
  for (const { field, wire, value, number } of fieldsOf(bytes)) {
    if (field === 1 && wire === 2) text = decode(value);
    else if (field === 2 && wire === 5)
      score = new DataView(value.buffer, value.byteOffset, 4).getFloat32(0, true);
    else if (field === 3 && wire === 0) type = number;
  }
  return { text, score, type };
}

interface Field {
  readonly field: number;
  readonly wire: number;
  /** Of wire types 1, 2 and 5. */
  readonly value: Uint8Array;
  /** Of wire type 0. */
  readonly number: number;
}

const none = new Uint8Array();

function* fieldsOf(bytes: Uint8Array): Iterable<Field> {
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let shift = 0; shift < 64; shift += 7) {
      const byte = bytes[at++];
      if (byte === undefined) throw damaged();
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    throw damaged();
  };
  const take = (length: number): Uint8Array => {
    if (length > bytes.byteLength - at) throw damaged();
    at += length;
    return bytes.subarray(at - length, at);
  };
  while (at < bytes.byteLength) {
    const tag = varint();
    const field = Math.floor(tag / 8);
    const wire = tag % 8;
    if (wire === 0) yield { field, wire, value: none, number: varint() };
    else if (wire === 1) yield { field, wire, value: take(8), number: 0 };
    else if (wire === 2) yield { field, wire, value: take(varint()), number: 0 };
    else if (wire === 5) yield { field, wire, value: take(4), number: 0 };
    else throw damaged();
  }
}

function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new UnreadableBytes("a token of it is not valid UTF-8", { cause });
  }
}

function damaged(): UnreadableBytes {
  return new UnreadableBytes("it is not a SentencePiece model, or a damaged one");
}
