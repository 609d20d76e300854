// The range of float32, in which scores are held.

export const greatestFloat32 = 3.4028234663852886e38;
/** The least that is held with all its digits. */
const leastNormalFloat32 = 2 ** -126;

/** A number above 0 as float32, kept from becoming 0 or Infinity. */
export function toPositiveFloat32(value: number): number {
  return Math.fround(Math.min(greatestFloat32, Math.max(leastNormalFloat32, value)));
}
