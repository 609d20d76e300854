// Figures of the overhead measurement: calls of a round, and the ratio of two targets round by round. Pure.

import { median, percentile } from "./statistics.ts";

export interface Round {
  readonly callsPerSecond: number;
  readonly medianMs: number;
  readonly p95Ms: number;
  /** Share of one core that the client itself used. */
  readonly clientShare: number;
}

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
