// The hash of SynthID: a linear congruential step for each number, in 64 bits that wrap around.

/** An integer modulo 2^64, as two of 32 bits whose signs do not matter. */
export interface Word64 {
  high: number;
  low: number;
}

/** 6364136223846793005. */
const multiplierHigh = 0x5851f42d;
const multiplierLow = 0x4c957f2d;

export function toWord64(value: bigint): Word64 {
  return { high: Number(BigInt.asIntN(32, value >> 32n)), low: Number(BigInt.asIntN(32, value)) };
}

/** Makes `hash` (hash + data) * 6364136223846793005 + 1. */
export function absorb(hash: Word64, { high, low }: Readonly<Word64>): void {
  const sum = (hash.low >>> 0) + (low >>> 0);
  const sumLow = sum | 0;
  const sumHigh = (hash.high + high + (sum > 0xffffffff ? 1 : 0)) | 0;
  const productLow = Math.imul(sumLow, multiplierLow);
  const productHigh =
    (highProduct(sumLow, multiplierLow) +
      Math.imul(sumLow, multiplierHigh) +
      Math.imul(sumHigh, multiplierLow)) |
    0;
  hash.low = (productLow + 1) | 0;
  hash.high = (productHigh + (hash.low === 0 ? 1 : 0)) | 0;
}

/** The lower half of what `absorb` makes: it depends on the lower halves alone. */
export function absorbLow(hashLow: number, low: number): number {
  return (Math.imul(hashLow + low, multiplierLow) + 1) | 0;
}

/** The upper 32 bits of the product of two integers without sign. */
function highProduct(a: number, b: number): number {
  const [aHigh, aLow, bHigh, bLow] = [a >>> 16, a & 0xffff, b >>> 16, b & 0xffff];
  const middle = aHigh * bLow + aLow * bHigh + Math.floor((aLow * bLow) / 0x10000);
  return aHigh * bHigh + Math.floor(middle / 0x10000);
}

/** The remainder, not negative, of the integer with sign; `divisor` is at most 2^24. */
export function remainderOf({ high, low }: Readonly<Word64>, divisor: number): number {
  let rest = ((high % divisor) + divisor) % divisor;
  rest = (rest * 0x10000 + (low >>> 16)) % divisor;
  return (rest * 0x10000 + (low & 0xffff)) % divisor;
}
