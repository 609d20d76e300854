// Rows of scores for tests and measurements, made from a seed.

/** How scores are spread: as logits of an undecided or a decided model, over a handful of values, or rising. */
export const spreads = ["flat", "peaked", "ties", "rising"] as const;
export type Spread = (typeof spreads)[number];

export function createScoreRow(length: number, spread: Spread, seed: number): Float32Array {
  const next = createSequence(seed);
  const normal = () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());
  const score: Record<Spread, (id: number) => number> = {
    flat: normal,
    peaked: () => 3 * normal() + (next() < 0.0005 ? 10 : 0),
    ties: () => Math.floor(next() * 4) - 2,
    rising: (id) => id / 7,
  };
  return Float32Array.from({ length }, (_, id) => score[spread](id));
}

/** Numbers in `[0, 1)`: mulberry32, which is public domain. */
export function createSequence(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
