// Seeded chance for workloads and intervals: the same words give the same numbers. Pure.

export interface Random {
  /** In `[0, 1)`. */
  next(): number;
  /** An integer in `[start, end)`. */
  integer(start: number, end: number): number;
  /** Exponentially distributed, as the time between independent arrivals. */
  exponential(mean: number): number;
}

/** Source: Mulberry32 by Tommy Ettinger, public domain; seeded with FNV-1a of the words. */
export function createRandom(...words: readonly (string | number)[]): Random {
  let state = 0x811c9dc5;
  for (const letter of words.join("/")) state = Math.imul(state ^ (letter.codePointAt(0) ?? 0), 0x01000193);
  const next = (): number => {
    state = (state + 0x6d2b79f5) | 0;
    let word = Math.imul(state ^ (state >>> 15), state | 1);
    word ^= word + Math.imul(word ^ (word >>> 7), word | 61);
    return ((word ^ (word >>> 14)) >>> 0) / 2 ** 32;
  };
  return {
    next,
    integer: (start, end) => start + Math.floor(next() * (end - start)),
    exponential: (mean) => -mean * Math.log(1 - next()),
  };
}
