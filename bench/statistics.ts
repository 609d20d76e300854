// Percentiles, medians and how sure they are. Pure.

import { createRandom } from "./random.ts";

/** Value below which the share `p` of the values lies; `values` must not be empty. */
export function percentile(values: readonly number[], p: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const value = sorted[Math.min(sorted.length - 1, Math.floor(p * sorted.length))];
  if (value === undefined) throw new TypeError("percentile of nothing");
  return value;
}

/** Of an even number of values the middle of the two in the middle. */
export function median(values: readonly number[]): number {
  const upper = percentile(values, 0.5);
  if (values.length % 2 === 1) return upper;
  return (upper + percentile(values, 0.5 - 1 / values.length)) / 2;
}

export interface Estimate {
  readonly median: number;
  /** Of the 95 % interval, by the percentile bootstrap; with few values it is about their range. */
  readonly low: number;
  readonly high: number;
}

/** Median of values that were drawn independently, with its interval; the same seed gives the same interval. */
export function estimateMedian(values: readonly number[], seed: string, resampleCount = 10_000): Estimate {
  const random = createRandom("bootstrap", seed);
  const medians = Array.from({ length: resampleCount }, () =>
    median(values.map(() => values[random.integer(0, values.length)] ?? Number.NaN)),
  );
  return { median: median(values), low: percentile(medians, 0.025), high: percentile(medians, 0.975) };
}
