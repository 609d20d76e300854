// Random draws as a function of their place: no state, so concurrent generations cannot disturb each other.

/** Where a draw is used; the same place gives the same number, another one an independent number. */
export interface DrawPlace {
  /** In `[0, 2^53 - 1]`. */
  readonly seed: number;
  readonly promptIndex: number;
  readonly sequenceIndex: number;
  /** Position of the token that is drawn, in its sequence. */
  readonly position: number;
}

/** A number in `[0, 1)` with 53 random bits: Philox keyed by the seed, counting prompt, sequence and position. */
export function uniformAt({ seed, promptIndex, sequenceIndex, position }: DrawPlace): number {
  const key = [seed >>> 0, Math.floor(seed / 2 ** 32) >>> 0] as const;
  const [high, low] = philox4x32([position, sequenceIndex, promptIndex, 0], key);
  return ((high >>> 5) * 2 ** 26 + (low >>> 6)) / 2 ** 53;
}

type Words4 = readonly [number, number, number, number];

/**
 * Philox4x32 with ten rounds: four random 32-bit words for a counter of four and a key of two.
 * Source: Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3" (SC 2011); Random123 1.14.
 */
export function philox4x32(counter: Words4, key: readonly [number, number]): Words4 {
  let [c0, c1, c2, c3] = counter;
  let [k0, k1] = key;
  for (let round = 0; round < 10; round++) {
    const [high0, low0] = multiply(0xd2511f53, c0);
    const [high1, low1] = multiply(0xcd9e8d57, c2);
    [c0, c1, c2, c3] = [(high1 ^ c1 ^ k0) >>> 0, low1, (high0 ^ c3 ^ k1) >>> 0, low0];
    k0 = (k0 + 0x9e3779b9) >>> 0;
    k1 = (k1 + 0xbb67ae85) >>> 0;
  }
  return [c0, c1, c2, c3];
}

/** The 64-bit product of two 32-bit words, as its high and low word, through halves of 16 bits. */
function multiply(a: number, b: number): readonly [number, number] {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const middle = aHigh * bLow + ((aLow * bLow) >>> 16);
  const cross = aLow * bHigh + (middle & 0xffff);
  const high = aHigh * bHigh + Math.floor(middle / 65536) + Math.floor(cross / 65536);
  return [high >>> 0, Math.imul(a, b) >>> 0];
}
