// Counts of values by size, in buckets with fixed bounds. Pure.

import type { Histogram } from "@corral/contract";

export interface GrowingHistogram {
  /** Counts `value` into the first bucket whose bound is not below it, `times` over. */
  add(value: number, times?: number): void;
  read(): Histogram;
}

/** `bounds` ascend; what is above the last is counted in a bucket of its own. */
export function createHistogram(bounds: readonly number[]): GrowingHistogram {
  const counts = Array.from({ length: bounds.length + 1 }, () => 0);
  let sum = 0;
  return {
    add(value, times = 1) {
      const found = bounds.findIndex((bound) => value <= bound);
      const bucket = found === -1 ? bounds.length : found;
      counts[bucket] = (counts[bucket] ?? 0) + times;
      sum += value * times;
    },
    read: () => ({ counts: [...counts], sum }),
  };
}
