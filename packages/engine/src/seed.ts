// Chance for generations that name no seed.

/** A seed in `[0, 2^53 - 1]` from the platform's secure source. */
export function chooseSeed(): number {
  const [high = 0, low = 0] = crypto.getRandomValues(new Uint32Array(2));
  return (high >>> 11) * 2 ** 32 + low;
}
