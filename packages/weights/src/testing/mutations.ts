// Damaged copies of a file, the same for the same seed: what a hostile or broken header may look like. Not part of the
// package's public face.

import { createDraws } from "./sample-safetensors.ts";

const extremes = [
  0n,
  1n,
  0x7fn,
  0xffn,
  0xffffn,
  0x7fffffffn,
  0xffffffffn,
  1n << 40n,
  (1n << 53n) - 1n,
  1n << 53n,
  (1n << 63n) - 1n,
  (1n << 64n) - 1n,
];
const numbers = [
  "0",
  "-1",
  "1.5",
  "1e400",
  "1e15",
  "9007199254740991",
  "9007199254740993",
  "18446744073709551615",
  "null",
  "[]",
  '""',
  "{}",
  "true",
];

/** @param headerBytes where the header ends, which is where damage is done */
export function* mutationsOf(
  file: Uint8Array,
  headerBytes: number,
  count: number,
  seed: number,
): Iterable<Buffer> {
  const draw = createDraws(seed, "mutations");
  const below = (limit: number) => Math.floor(draw() * limit);
  for (let index = 0; index < count; index += 1) {
    let bytes: Buffer = Buffer.from(file);
    for (let change = 1 + below(3); change > 0; change -= 1) {
      const at = below(Math.min(headerBytes, bytes.byteLength));
      switch (below(7)) {
        case 0:
          bytes[at] = (bytes[at] ?? 0) ^ (1 << below(8));
          break;
        case 1:
          bytes[at] = below(256);
          break;
        case 2:
          bytes = bytes.subarray(0, below(bytes.byteLength + 1));
          break;
        case 3:
          bytes = Buffer.concat([
            bytes.subarray(0, at),
            Buffer.alloc(1 + below(16), below(256)),
            bytes.subarray(at),
          ]);
          break;
        case 4:
          bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + below(16))]);
          break;
        case 5:
          if (at + 8 <= bytes.byteLength) bytes.writeBigUInt64LE(extremes[below(extremes.length)] ?? 0n, at);
          break;
        default:
          bytes = replaceNumber(bytes, at, numbers[below(numbers.length)] ?? "0");
      }
      if (bytes.byteLength === 0) break;
    }
    yield bytes;
  }
}

/** The next number of a text from `at` on; the length in front of a safetensors header stays what it claims. */
function replaceNumber(bytes: Buffer, at: number, by: string): Buffer {
  const text = bytes.toString("latin1");
  const match = /\d+/.exec(text.slice(at));
  if (match === null) return bytes;
  const start = at + match.index;
  return Buffer.from(text.slice(0, start) + by + text.slice(start + match[0].length), "latin1");
}
