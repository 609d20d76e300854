// A metric as data, and the few shapes that all of them have: how a deployment's counts become labelled values.
// Knows neither the text format nor HTTP.

import {
  finishReasons,
  histogramBounds,
  type CounterName,
  type HistogramName,
  type ReplicaStatistics,
} from "@corral/contract";
import type { DeploymentSample, ReplicaLoad, LiveReplica } from "../replica/live-replica.ts";
import type { Backlog } from "../store/backlogs.ts";

/** What this process counted itself, and what all processes have in the database; null: it does not answer. */
export interface MetricSample extends DeploymentSample {
  readonly backlog: Backlog | null;
}

export type Labels = Readonly<Record<string, string | number>>;

export interface MetricValue {
  readonly labels: Labels;
  readonly value: number;
  /** For the parts of a histogram: the metric's name with `_bucket`, `_sum` or `_count`. */
  readonly metricName?: string;
}

export interface Metric {
  readonly name: string;
  readonly type: "counter" | "gauge" | "histogram";
  /** One sentence. */
  readonly help: string;
  readonly valuesOf: (sample: MetricSample) => readonly MetricValue[];
}

function deploymentLabels({ deploymentName, modelName }: MetricSample): Labels {
  return { deployment: deploymentName, model_name: modelName };
}

/** One series a deployment: what all its replicas counted, those that are gone included. */
export function counter(name: string, help: string, counted: CounterName): Metric {
  return deploymentCounter(name, help, ({ statistics }) => statistics.counters[counted]);
}

export function deploymentCounter(
  name: string,
  help: string,
  valueOf: (sample: MetricSample) => number,
): Metric {
  return { ...deploymentGauge(name, help, valueOf), type: "counter" };
}

/** One series a deployment, also while it has no replica. */
export function deploymentGauge(
  name: string,
  help: string,
  valueOf: (sample: MetricSample) => number,
): Metric {
  return {
    name,
    type: "gauge",
    help,
    valuesOf: (sample) => [{ labels: deploymentLabels(sample), value: valueOf(sample) }],
  };
}

/** One series a deployment; none while the database does not answer. */
export function backlogGauge(name: string, help: string, valueOf: (backlog: Backlog) => number): Metric {
  return {
    name,
    type: "gauge",
    help,
    valuesOf: (sample) => {
      const { backlog } = sample;
      return backlog === null ? [] : [{ labels: deploymentLabels(sample), value: valueOf(backlog) }];
    },
  };
}

/** One series a deployment and value of `label`. */
export function splitCounter(
  name: string,
  help: string,
  label: string,
  split: Readonly<Record<string, CounterName>>,
): Metric {
  return {
    name,
    type: "counter",
    help,
    valuesOf: (sample) =>
      Object.entries(split).map(([part, counted]) => ({
        labels: { ...deploymentLabels(sample), [label]: part },
        value: sample.statistics.counters[counted],
      })),
  };
}

export function finishedCounter(name: string, help: string): Metric {
  return {
    name,
    type: "counter",
    help,
    valuesOf: (sample) =>
      finishReasons.map((reason) => ({
        labels: { ...deploymentLabels(sample), finished_reason: reason },
        value: sample.statistics.finished[reason],
      })),
  };
}

/** One histogram a deployment; its buckets hold what the lower ones hold as well, as the format wants it. */
export function histogram(name: string, help: string, counted: HistogramName): Metric {
  return {
    name,
    type: "histogram",
    help,
    valuesOf: (sample) => histogramValues(name, deploymentLabels(sample), sample.statistics, counted),
  };
}

function histogramValues(
  name: string,
  labels: Labels,
  { histograms }: ReplicaStatistics,
  counted: HistogramName,
): MetricValue[] {
  const { counts, sum } = histograms[counted];
  const values: MetricValue[] = [];
  let total = 0;
  for (const [bucket, count] of counts.entries()) {
    total += count;
    const le = histogramBounds[counted][bucket] ?? "+Inf";
    values.push({ metricName: `${name}_bucket`, labels: { ...labels, le }, value: total });
  }
  values.push({ metricName: `${name}_sum`, labels, value: sum });
  values.push({ metricName: `${name}_count`, labels, value: total });
  return values;
}

/** One series for each replica that is alive; none where `valueOf` gives null. */
export function replicaGauge(
  name: string,
  help: string,
  valueOf: (replica: LiveReplica) => number | null,
): Metric {
  return {
    name,
    type: "gauge",
    help,
    valuesOf: (sample) =>
      sample.replicas.flatMap((replica) => {
        const value = valueOf(replica);
        return value === null
          ? []
          : [{ labels: { ...deploymentLabels(sample), replica: replica.id }, value }];
      }),
  };
}

/** Of a replica's last load report; no series before the first. */
export function loadGauge(name: string, help: string, valueOf: (load: ReplicaLoad) => number): Metric {
  return replicaGauge(name, help, ({ load }) => (load === null ? null : valueOf(load)));
}
