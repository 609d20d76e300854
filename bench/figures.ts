// Figures that several workloads have. Pure.

import type { CallRecord, LoadResult } from "./call.ts";
import { percentile } from "./statistics.ts";
import type { Figure, LoadDelta, Measured } from "./workload.ts";

function phaseOf(measured: Measured, name: string): LoadResult {
  const phase = measured.phases[name];
  if (phase === undefined) throw new TypeError(`no phase ${name} was measured`);
  return phase;
}

export function wallTime(phase: string, name = `${phase}: all calls done`): Figure {
  return { name, unit: "ms", better: "lower", value: (measured) => phaseOf(measured, phase).wallMs };
}

/** Tokens of all answers over the time of all calls. */
export function throughput(phase: string): Figure {
  const value = (measured: Measured) => {
    const { calls, wallMs } = phaseOf(measured, phase);
    return calls.reduce((sum, { generatedTokens }) => sum + generatedTokens, 0) / (wallMs / 1_000);
  };
  return { name: "generated tokens", unit: "/s", better: "higher", value };
}

/** A call that was cut before its first token waited at least until then, so it counts with that. */
export function timeToFirstToken(
  phase: string,
  p: number,
  name = `time to first token, ${label(p)}`,
): Figure {
  const value = (measured: Measured) => {
    const { calls, wallMs } = phaseOf(measured, phase);
    return percentile(
      calls.map(({ eventMs, sentMs }) => eventMs[0] ?? wallMs - sentMs),
      p,
    );
  };
  return { name, unit: "ms", better: "lower", value };
}

/** Of one call alone: from its first event to its last. */
export function decodeSpeed(phase: string): Figure {
  const value = (measured: Measured) => {
    const { eventMs, generatedTokens } = only(phaseOf(measured, phase));
    const first = eventMs[0] ?? Number.NaN;
    return (generatedTokens - 1) / (((eventMs.at(-1) ?? Number.NaN) - first) / 1_000);
  };
  return { name: "decoded tokens", unit: "/s", better: "higher", value };
}

/** Of one call alone: prompt tokens over the time to its first token. */
export function prefillSpeed(phase: string): Figure {
  const value = (measured: Measured) => {
    const { eventMs, promptTokens } = only(phaseOf(measured, phase));
    return promptTokens / ((eventMs[0] ?? Number.NaN) / 1_000);
  };
  return { name: "prompt tokens", unit: "/s", better: "higher", value };
}

export function interTokenTime(phase: string, group: string, p: number): Figure {
  const value = (measured: Measured) => percentile(gaps(phaseOf(measured, phase), group), p);
  return { name: `${group}: time between tokens, ${label(p)}`, unit: "ms", better: "lower", value };
}

export function gaps({ calls }: LoadResult, group: string): number[] {
  return calls
    .filter((call) => call.group === group)
    .flatMap(({ eventMs }) => eventMs.slice(1).map((at, index) => at - (eventMs[index] ?? at)));
}

/** Of all phases; less sensitive to the load of others than any time is. */
export const cpuTime: Figure = {
  name: "CPU time of the server",
  unit: "ms",
  better: "lower",
  value: ({ cpu }) => Object.values(cpu).reduce((sum, { targetCpuMs }) => sum + targetCpuMs, 0),
};

/**
 * By how much counters of the replica's load reports grew; they count from its start. Each must have grown, to be told
 * through. Source: packages/contract/src/statistics.ts.
 */
export function counterGrowth<Name extends string>(
  delta: LoadDelta | undefined,
  names: readonly Name[],
): Readonly<Record<Name, number>> | { readonly skipped: string } {
  const [before, after] = [countersOf(delta?.before), countersOf(delta?.after)];
  const grown = names.map(
    (name) => [name, (after[name] ?? Number.NaN) - (before[name] ?? Number.NaN)] as const,
  );
  if (grown.some(([, amount]) => Number.isNaN(amount)))
    return { skipped: `no load report of a replica tells ${names.join(" and ")}` };
  const still = grown.find(([, amount]) => amount <= 0);
  if (still !== undefined) return { skipped: `${still[0]} did not grow between two load reports` };
  return Object.fromEntries(grown) as Record<Name, number>;
}

function countersOf(report: LoadDelta["after"] | undefined): Readonly<Record<string, number>> {
  const statistics = report?.["statistics"] as { readonly counters?: Record<string, number> } | undefined;
  return statistics?.counters ?? {};
}

function only({ calls }: LoadResult): CallRecord {
  const [call] = calls;
  if (call === undefined || calls.length > 1) throw new TypeError(`${calls.length} calls instead of one`);
  return call;
}

function label(p: number): string {
  return p === 0.5 ? "median" : `p${p * 100}`;
}
