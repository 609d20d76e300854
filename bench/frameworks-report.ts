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
  /** CPU time of all the server's processes for one call; tells something where others use the machine as well. */
  readonly cpuMsPerCall: number;
  readonly foreignCores: number | null;
}

export function echoRoundOf(
  { latenciesMs, wallMs, clientCpuMs, callCount }: EchoResult,
  cpu: CpuUse,
): EchoRound {
  return {
    callsPerSecond: latenciesMs.length / (wallMs / 1_000),
    medianMs: median(latenciesMs),
    p99Ms: percentile(latenciesMs, 0.99),
    clientShare: clientCpuMs / wallMs,
    cpuMsPerCall: cpu.targetCpuMs / callCount,
    foreignCores: cpu.foreignCores,
  };
}

export function summarise(rounds: readonly EchoRound[]) {
  const of = (read: (round: EchoRound) => number) => median(rounds.map(read));
  return {
    calls_per_second: of(({ callsPerSecond }) => callsPerSecond),
    median_ms: of(({ medianMs }) => medianMs),
    p99_ms: of(({ p99Ms }) => p99Ms),
    cpu_ms_per_call: of(({ cpuMsPerCall }) => cpuMsPerCall),
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
