// Chance for generations that name no seed.

/** Asked for together: each question costs more than all of these numbers. */
const pool = new Uint32Array(256);
let used = pool.length;

/** A seed in `[0, 2^53 - 1]` from the platform's secure source. */
export function chooseSeed(): number {
  if (used === pool.length) {
    crypto.getRandomValues(pool);
    used = 0;
  }
  const [high = 0, low = 0] = pool.subarray(used, used + 2);
  used += 2;
  return (high >>> 11) * 2 ** 32 + low;
}
