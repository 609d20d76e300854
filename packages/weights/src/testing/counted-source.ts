// Bytes in memory as a source that counts what is asked of it. Not part of the package's public face.

import type { ByteSource } from "../gguf/cursor.ts";

export function bufferSource(bytes: Uint8Array): ByteSource {
  return countedSource(bytes).source;
}

export interface CountedSource {
  readonly source: ByteSource;
  /** The most bytes asked for at once, and all together. */
  readonly asked: { largest: number; total: number };
}

export function countedSource(bytes: Uint8Array): CountedSource {
  const asked = { largest: 0, total: 0 };
  const source: ByteSource = {
    size: bytes.byteLength,
    read: (offset, length) => {
      asked.largest = Math.max(asked.largest, length);
      asked.total += length;
      return Promise.resolve(bytes.slice(offset, offset + length));
    },
  };
  return { source, asked };
}
