// Calls that come whether or not others are answered, and what became of each: plain data between the runner and its
// client, and the figures of it. Pure.

import type { LoadResult } from "./call.ts";

export interface ArrivalsJob {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Of prompts and times. */
  readonly seed: string;
  readonly tokens: { readonly start: number; readonly end: number };
  readonly promptLength: number;
  readonly newTokenCount: number;
  /** Each call has one of these. */
  readonly keys: readonly string[];
  readonly perSecond: number;
  /** Nothing is sent after this time; what runs then may end. */
  readonly durationMs: number;
  /** Most connections; an arrival that would need one more is not sent, and counted. */
  readonly connectionCount: number;
}

/**
 * What a call does when it is refused. All come again when `Retry-After` says. Some go on after that, every 200 ms until
 * they are let in; some have also tried before, to see whether they were told too long a time.
 */
export type Patience = "once" | "follows" | "probes";

/** Milliseconds; all but `sentMs` from the moment the call was first sent. */
export interface Arrival {
  readonly sentMs: number;
  readonly patience: Patience;
  /** What the first `Retry-After` said; null: it was not refused. */
  readonly promisedMs: number | null;
  readonly attemptCount: number;
  /** When the attempt that was let in was sent; null: none was. */
  readonly admittedMs: number | null;
  /** From that attempt to the first token, and to the end. */
  readonly firstTokenMs: number | null;
  readonly endMs: number | null;
  readonly longestGapMs: number;
}

export interface ArrivalsResult {
  readonly perSecond: number;
  readonly durationMs: number;
  readonly clientCpuMs: number;
  readonly unsentCount: number;
  readonly arrivals: readonly Arrival[];
  readonly failures: readonly string[];
  /** Resident memory of the server at times of the run, by the runner. */
  readonly memory: readonly { readonly atMs: number; readonly bytes: number }[];
  /** What the server's load reports count, one a second, by the runner; empty where it sends none. */
  readonly steps: readonly StepCounters[];
}

/** Since the server's start. */
export interface StepCounters {
  readonly count: number;
  readonly seconds: number;
  readonly preemptions: number;
}

/** The counters of a replica's load report. Source: packages/contract/src/report.ts. */
export function stepCountersOf(report: Readonly<Record<string, unknown>> | null): StepCounters | null {
  const statistics = report?.["statistics"] as { readonly counters?: Record<string, number> } | undefined;
  const { steps, decode_seconds: seconds, preemptions } = statistics?.counters ?? {};
  if (steps === undefined || seconds === undefined || preemptions === undefined) return null;
  return { count: steps, seconds, preemptions };
}

/** The mean step, in milliseconds, of the report in which it was longest. */
export function longestStepMs({ steps }: ArrivalsResult): number {
  const means = steps.slice(1).flatMap(({ count, seconds }, index) => {
    const before = steps[index];
    if (before === undefined || count <= before.count) return [];
    return [(1_000 * (seconds - before.seconds)) / (count - before.count)];
  });
  return Math.max(0, ...means);
}

/** When a probe tries before its time, as parts of what it was told. */
export const probeParts = [0.25, 0.5, 0.75, 0.9] as const;
export const pollMs = 200;

/** Of 50 calls one probes and four follow. */
export function patienceOf(index: number): Patience {
  if (index % 50 === 7) return "probes";
  return index % 50 < 4 ? "follows" : "once";
}

/** Calls per second that callers without a pause got answered, the beginning left out. */
export function capacityOf({ calls, wallMs }: LoadResult): number {
  const fromMs = wallMs / 3;
  const ended = calls.filter(({ sentMs, endMs }) => endMs !== null && sentMs + endMs > fromMs);
  return ended.length / ((wallMs - fromMs) / 1_000);
}

/** A call counts where a quarter more than it was told still fits into the run. */
export const slack = 1.25;

/**
 * What refused calls were told over what they waited: above 1 it was too long, below too short. Of those that kept
 * asking. One that was never let in waited at least until the end.
 */
export function promiseRatios({ arrivals, durationMs }: ArrivalsResult, patience?: Patience): number[] {
  return arrivals.flatMap((arrival) => {
    const { promisedMs, admittedMs, sentMs } = arrival;
    if (promisedMs === null || arrival.patience === "once") return [];
    if (patience !== undefined && arrival.patience !== patience) return [];
    if (sentMs + slack * promisedMs > durationMs) return [];
    return [promisedMs / (admittedMs ?? durationMs - sentMs)];
  });
}

/** Growth from the one part of the run to the end, in percent, each the mean of a tenth of the run. */
export function memoryGrowth({ memory, durationMs }: ArrivalsResult, fromPart: number): number {
  const meanUntil = (part: number) => {
    const values = memory.filter(({ atMs }) => {
      const at = atMs / durationMs;
      return at > part - 0.1 && at <= part;
    });
    return values.reduce((sum, { bytes }) => sum + bytes, 0) / values.length;
  };
  return 100 * (meanUntil(1) / meanUntil(fromPart) - 1);
}
