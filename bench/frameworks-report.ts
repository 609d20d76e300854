// Figures of the comparison with other frameworks: one turn of a contender, all of its turns, and how many times another
// it answers. Pure.

import type { EchoResult } from "./echo-client.ts";
import type { CpuUse } from "./machine.ts";
import { estimateMedian, median, percentile, type Estimate } from "./statistics.ts";

export interface EchoRound {
  readonly callsPerSecond: number;
  readonly medianMs: number;
  readonly p99Ms: number;
  /** Share of one core that the client itself used. */
  readonly clientShare: number;
  /** CPU time of the server's processes for one call, those before the first counted one left out of neither side. */
  readonly serverCpuMs: number;
  readonly foreignCores: number | null;
}

export function echoRoundOf({ latenciesMs, wallMs, clientCpuMs }: EchoResult, cpu: CpuUse): EchoRound {
  return {
    callsPerSecond: latenciesMs.length / (wallMs / 1_000),
    medianMs: median(latenciesMs),
    p99Ms: percentile(latenciesMs, 0.99),
    clientShare: clientCpuMs / wallMs,
    serverCpuMs: cpu.targetCpuMs,
    foreignCores: cpu.foreignCores,
  };
}

export function summarise(rounds: readonly EchoRound[]) {
  const of = (read: (round: EchoRound) => number) => median(rounds.map(read));
  return {
    calls_per_second: of(({ callsPerSecond }) => callsPerSecond),
    median_ms: of(({ medianMs }) => medianMs),
    p99_ms: of(({ p99Ms }) => p99Ms),
    client_share_of_a_core: of(({ clientShare }) => clientShare),
  };
}

/** Calls per second of one in those of another, round by round. */
export function ratiosTo(rounds: readonly EchoRound[], peer: readonly EchoRound[]): Estimate {
  const ratios = rounds.map(
    ({ callsPerSecond }, index) => callsPerSecond / (peer[index]?.callsPerSecond ?? Number.NaN),
  );
  return estimateMedian(ratios, "frameworks");
}
