// What a replica counts from its start to its end: counters and histograms, in the form in which they travel in `load`
// reports. Bounds and meanings are vLLM's where it has the same metric, so that dashboards made for it fit.

import { z } from "zod";
import { finishReasons } from "./run.ts";

/** Seconds of a call's phases. */
const phaseBounds = [
  0.3, 0.5, 0.8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, 120, 240, 480, 960, 1920, 7680,
] as const;
/** 1, 2, 5, 10 … as in vLLM, which ends at a model's context length; here one list holds for all models. */
const callTokenBounds = [
  1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000,
  1_000_000,
] as const;

/**
 * Upper bounds of each histogram's buckets, inclusive and ascending; what is above the last has one more bucket.
 * Source: vLLM at commit 005a810, v1/metrics/loggers.py, PrometheusStatLogger.
 */
export const histogramBounds = {
  /** Tokens of one step. */
  step_tokens: [1, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16_384],
  /** From the arrival of a call at the replica to its first token. */
  time_to_first_token_seconds: [
    0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80, 160,
    640, 2560,
  ],
  /** Between two tokens of one returned sequence. */
  inter_token_latency_seconds: [
    0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80,
  ],
  queue_seconds: phaseBounds,
  prefill_seconds: phaseBounds,
  decode_seconds: phaseBounds,
  /** From the arrival of a call at the replica to its end. */
  total_seconds: phaseBounds,
  prompt_tokens: callTokenBounds,
  generated_tokens: callTokenBounds,
} as const satisfies Readonly<Record<string, readonly number[]>>;
export type HistogramName = keyof typeof histogramBounds;
export const histogramNames = Object.keys(histogramBounds) as readonly HistogramName[];

export const counterNames = [
  "steps",
  "prefill_tokens",
  "decode_tokens",
  "prefix_query_tokens",
  "prefix_hit_tokens",
  "preemptions",
  "drafted_tokens",
  "accepted_tokens",
  "decode_seconds",
  "host_seconds",
  "prompt_tokens",
  "generated_tokens",
] as const;
export type CounterName = (typeof counterNames)[number];

export interface Histogram {
  /** How many values each bucket holds, not summed over the lower ones; one number more than there are bounds. */
  readonly counts: readonly number[];
  readonly sum: number;
}

function histogramSchema(bounds: readonly number[]) {
  return z.object({
    counts: z
      .array(z.int().nonnegative())
      .length(bounds.length + 1)
      .readonly(),
    sum: z.number().nonnegative(),
  });
}

function objectOf<Key extends string, Value>(
  keys: readonly Key[],
  valueOf: (key: Key) => Value,
): Record<Key, Value> {
  return Object.fromEntries(keys.map((key) => [key, valueOf(key)])) as Record<Key, Value>;
}

/** Counts since the replica started; none ever falls. */
export const replicaStatisticsSchema = z.object({
  counters: z.object(objectOf(counterNames, () => z.number().nonnegative())),
  /** Calls that ended, by the reason of the sequence that ended worst. */
  finished: z.object(objectOf(finishReasons, () => z.int().nonnegative())),
  histograms: z.object(objectOf(histogramNames, (name) => histogramSchema(histogramBounds[name]))),
});
export type ReplicaStatistics = z.infer<typeof replicaStatisticsSchema>;

export function emptyStatistics(): ReplicaStatistics {
  return {
    counters: objectOf(counterNames, () => 0),
    finished: objectOf(finishReasons, () => 0),
    histograms: objectOf(histogramNames, (name) => ({
      counts: Array.from({ length: histogramBounds[name].length + 1 }, () => 0),
      sum: 0,
    })),
  };
}

/** Count by count. */
export function addStatistics(a: ReplicaStatistics, b: ReplicaStatistics): ReplicaStatistics {
  return {
    counters: objectOf(counterNames, (name) => a.counters[name] + b.counters[name]),
    finished: objectOf(finishReasons, (reason) => a.finished[reason] + b.finished[reason]),
    histograms: objectOf(histogramNames, (name) => ({
      counts: a.histograms[name].counts.map(
        (count, bucket) => count + (b.histograms[name].counts[bucket] ?? 0),
      ),
      sum: a.histograms[name].sum + b.histograms[name].sum,
    })),
  };
}
