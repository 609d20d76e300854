// Metrics in Prometheus' text format. The values were counted in other processes, so they enter as the library's own
// JSON does when it gathers the metrics of several.

import { AggregatorRegistry } from "prom-client";
import type { MetricSample } from "./metric.ts";
import { metrics } from "./metrics.ts";

export const expositionType = AggregatorRegistry.PROMETHEUS_CONTENT_TYPE;

export function exposition(samples: readonly MetricSample[]): Promise<string> {
  const gathered = metrics.map(({ name, type, help, valuesOf }) => ({
    name,
    type,
    help,
    values: samples.flatMap((sample) => valuesOf(sample)),
    aggregator: "sum",
  }));
  return AggregatorRegistry.aggregate([gathered]).metrics();
}
