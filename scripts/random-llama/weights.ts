// Random weights of one tensor, in pieces: the same seed gives the same bytes. Pure.

import type { WritableTensor } from "@corral/weights";

/** As Llama models are initialised; with it logits have a deviation of about one. */
const deviation = 0.02;
const pieceLength = 1 << 20;

/** Normal numbers by their quantile, as f16: a 16-bit draw picks one. 1.2 billion weights take seconds so. */
const normals = new Uint16Array(
  new Float16Array(
    Array.from({ length: 1 << 16 }, (_, index) => deviation * quantile((index + 0.5) / 2 ** 16)),
  ).buffer,
);

/** Norms are ones; of the output matrix the rows of `zeroRows` are zero. */
export function* randomWeights(
  { name, shape, type }: WritableTensor,
  seed: number,
  zeroRows: ReadonlySet<number>,
): Iterable<Uint8Array> {
  const elementCount = shape.reduce((product, length) => product * length, 1);
  if (type === "F32") return yield new Uint8Array(new Float32Array(elementCount).fill(1).buffer);
  const rowLength = shape[0] ?? elementCount;
  const rowsPerPiece = Math.max(1, Math.floor(pieceLength / rowLength));
  const draw = createDraws(seed, name);
  const piece = new Uint16Array(rowsPerPiece * rowLength);
  for (let row = 0; row < elementCount / rowLength; row += rowsPerPiece) {
    const rowCount = Math.min(rowsPerPiece, elementCount / rowLength - row);
    const length = rowCount * rowLength;
    for (let index = 0; index < length; index += 2) {
      const word = draw();
      piece[index] = normals[word & 0xffff] ?? 0;
      piece[index + 1] = normals[word >>> 16] ?? 0;
    }
    for (let index = 0; index < rowCount; index += 1)
      if (zeroRows.has(row + index)) piece.fill(0, index * rowLength, (index + 1) * rowLength);
    yield new Uint8Array(piece.buffer, 0, length * 2);
  }
}

/** 32-bit words. Source: Mulberry32 by Tommy Ettinger, public domain; its period of 2^32 is longer than any tensor. */
function createDraws(seed: number, name: string): () => number {
  let state = seed >>> 0;
  for (const letter of name) state = (Math.imul(state, 31) + (letter.codePointAt(0) ?? 0)) >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let word = Math.imul(state ^ (state >>> 15), state | 1);
    word ^= word + Math.imul(word ^ (word >>> 7), word | 61);
    return (word ^ (word >>> 14)) >>> 0;
  };
}

/** Of the standard normal distribution, to 5e-4. Source: Abramowitz and Stegun, 26.2.23. */
function quantile(p: number): number {
  if (p > 0.5) return -quantile(1 - p);
  const t = Math.sqrt(-2 * Math.log(p));
  const above = 2.515517 + t * (0.802853 + t * 0.010328);
  const below = 1 + t * (1.432788 + t * (0.189269 + t * 0.001308));
  return above / below - t;
}
