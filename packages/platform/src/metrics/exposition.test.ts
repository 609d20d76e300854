import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import type { LiveReplica } from "../replica/live-replica.ts";
import { openUpstream } from "../replica/address.ts";
import { fakeLoad, fakeStatistics } from "../testing/fake-load.ts";
import { exposition } from "./exposition.ts";
import type { MetricSample } from "./metric.ts";
import { metrics } from "./metrics.ts";

const replica: LiveReplica = {
  id: "r1",
  address: "unix:/r1.sock",
  token: null,
  upstream: openUpstream("unix:/r1.sock"),
  ready: true,
  inFlightCount: 2,
  status: "ready",
  compute: null,
  load: { ...fakeLoad(1), running_groups: 4, waiting_groups: 5 },
  residentBytes: 4_096,
};

const sample: MetricSample = {
  projectId: "default",
  deploymentName: "d",
  modelName: 'm"1',
  statistics: fakeStatistics(2),
  restartCount: 1,
  replicas: [replica],
  residency: { loadCount: 3, unloadCount: 2, waitingCount: 1, bookedBytes: 1_024 },
  backlog: { queuedCount: 6, oldestSeconds: 1.5, pendingDeliveryCount: 7, deadDeliveryCount: 8 },
};

const labels = 'deployment="d",model_name="m\\"1"';

test("counters and histograms have one series a deployment, gauges one a replica", async () => {
  const lines = (await exposition([sample])).split("\n");
  for (const line of [
    "# HELP vllm:num_requests_running Calls that are being computed.",
    "# TYPE vllm:num_requests_running gauge",
    `vllm:num_requests_running{${labels},replica="r1"} 4`,
    `vllm:num_requests_waiting{${labels},replica="r1"} 5`,
    `vllm:kv_cache_usage_perc{${labels},replica="r1"} 0.25`,
    "# TYPE vllm:prompt_tokens_total counter",
    `vllm:prompt_tokens_total{${labels}} 6`,
    `vllm:generation_tokens_total{${labels}} 4`,
    `vllm:request_success_total{${labels},finished_reason="stop"} 2`,
    `vllm:request_success_total{${labels},finished_reason="error"} 0`,
    `corral_step_tokens_total{${labels},phase="prefill"} 6`,
    `corral_step_tokens_total{${labels},phase="decode"} 2`,
    `corral_gateway_calls_in_flight{${labels},replica="r1"} 2`,
    `corral_replica_resident_memory_bytes{${labels},replica="r1"} 4096`,
    `corral_model_loads_total{${labels}} 3`,
    `corral_model_unloads_total{${labels}} 2`,
    `corral_model_memory_bytes{${labels}} 1024`,
    `corral_calls_waiting_for_load{${labels}} 1`,
    `corral_queue_runs{${labels}} 6`,
    `corral_queue_oldest_seconds{${labels}} 1.5`,
    `corral_deliveries_pending{${labels}} 7`,
    `corral_deliveries_dead{${labels}} 8`,
    `corral_replica_restarts_total{${labels}} 1`,
  ])
    assert.ok(lines.includes(line), `${line}\nis not in\n${lines.join("\n")}`);
});

test("a histogram's buckets hold what the lower ones hold as well, and end with all of it", async () => {
  const lines = (await exposition([sample])).split("\n");
  const start = lines.indexOf("# TYPE vllm:iteration_tokens_total histogram");
  const le = (bound: string) => `vllm:iteration_tokens_total_bucket{${labels},le="${bound}"}`;
  assert.deepEqual(lines.slice(start + 1, start + 4), [`${le("1")} 2`, `${le("8")} 4`, `${le("16")} 4`]);
  assert.ok(lines.includes(`${le("+Inf")} 4`));
  assert.ok(lines.includes(`vllm:iteration_tokens_total_sum{${labels}} 8`));
  assert.ok(lines.includes(`vllm:iteration_tokens_total_count{${labels}} 4`));
});

test("a deployment without a replica keeps its counters, and one without a load report has no gauges of it", async () => {
  const without = await exposition([{ ...sample, replicas: [] }]);
  assert.match(without, /^vllm:prompt_tokens_total\{.* 6$/m);
  assert.doesNotMatch(without, /replica="/);
  const starting = { ...replica, ready: false, load: null, residentBytes: null };
  const text = await exposition([{ ...sample, replicas: [starting] }]);
  assert.match(text, /^corral_replica_ready\{.* 0$/m);
  assert.doesNotMatch(await exposition([{ ...sample, backlog: null }]), /^corral_(queue|deliveries)/m);
  assert.doesNotMatch(text, /^vllm:num_requests_running\{/m);
});

test("every metric is described in docs/metrics.md, with its type, and no other is", () => {
  const text = readFileSync(new URL("../../../../docs/metrics.md", import.meta.url), "utf8");
  const rows = [...text.matchAll(/^\| `((?:vllm:|corral_)\w+)` \| (\w+) \|/gm)].map(
    ([, name, type]) => `${name} ${type}`,
  );
  assert.deepEqual(rows.toSorted(), metrics.map(({ name, type }) => `${name} ${type}`).toSorted());
});

test("names and units are those of the Prometheus conventions", () => {
  for (const { name, type, help } of metrics) {
    assert.match(name, /^(vllm:|corral_)[a-z0-9_]+$/);
    assert.match(help, /^\S.*\.$/, name);
    // vLLM's own name for a histogram of tokens a step.
    if (name === "vllm:iteration_tokens_total") continue;
    assert.equal(name.endsWith("_total"), type === "counter", name);
  }
  assert.equal(new Set(metrics.map(({ name }) => name)).size, metrics.length);
});
