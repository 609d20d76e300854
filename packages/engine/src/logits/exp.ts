// The exponential by which scores become weights.

/** Added and taken away again, it rounds a double to the nearest integer, halves to even. */
const rounder = 1.5 * 2 ** 52;
const powersOfHalf = Float64Array.from({ length: 127 }, (_, exponent) => 2 ** -exponent);

/**
 * exp(x) as float32, within one unit in the last place, for a float32 `x` that is at most 0; 0 where `x` is below -87,
 * NaN for NaN. It takes a whole power of two out and sums the Taylor series of what is left, at most ln(2) / 2.
 * It is several times faster than `Math.exp`, and `exp` of packages/engine/kernels does the same steps in the same
 * order, which gives the same bits.
 */
export function expFloat32(x: number): number {
  if (x < -87) return 0;
  const power = x * Math.LOG2E + rounder - rounder;
  const rest = x - power * Math.LN2;
  let sum = rest * (1 / 5040) + 1 / 720;
  sum = sum * rest + 1 / 120;
  sum = sum * rest + 1 / 24;
  sum = sum * rest + 1 / 6;
  sum = sum * rest + 1 / 2;
  sum = sum * rest + 1;
  sum = sum * rest + 1;
  return Math.fround(sum * powersOfHalf[-power | 0]!);
}
