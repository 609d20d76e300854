// Figures of rounds: medians, percentiles and the ratio of two targets round by round. Pure.

export interface Round {
  readonly callsPerSecond: number;
  readonly medianMs: number;
  readonly p95Ms: number;
  /** Share of one core that the client itself used. */
  readonly clientShare: number;
}

/** Value below which the share `p` of the values lies; `values` must not be empty. */
export function percentile(values: readonly number[], p: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const value = sorted[Math.min(sorted.length - 1, Math.floor(p * sorted.length))];
  if (value === undefined) throw new TypeError("percentile of nothing");
  return value;
}

export const median = (values: readonly number[]): number => percentile(values, 0.5);

export function roundOf(latenciesMs: readonly number[], wallMs: number, clientCpuMs: number): Round {
  return {
    callsPerSecond: latenciesMs.length / (wallMs / 1000),
    medianMs: median(latenciesMs),
    p95Ms: percentile(latenciesMs, 0.95),
    clientShare: clientCpuMs / wallMs,
  };
}

/** `a` against `b`, neighbouring rounds paired: robust where the machine's speed drifts. */
export function pairedRatios(
  a: readonly number[],
  b: readonly number[],
): { median: number; min: number; max: number } {
  const ratios = a.map((value, index) => value / (b[index] ?? Number.NaN));
  return { median: median(ratios), min: Math.min(...ratios), max: Math.max(...ratios) };
}
