// Every metric that the platform exports, in the order in which it does. Names, units and meanings are vLLM's where it
// has the metric, so that dashboards and gateways made for it work; all others begin with `corral_`.
// docs/metrics.md says the same to people, and a test compares the two.

import {
  backlogGauge,
  counter,
  deploymentCounter,
  deploymentGauge,
  finishedCounter,
  histogram,
  loadGauge,
  replicaGauge,
  splitCounter,
  type Metric,
} from "./metric.ts";

export const metrics: readonly Metric[] = [
  loadGauge("vllm:num_requests_running", "Calls that are being computed.", (load) => load.running_groups),
  loadGauge("vllm:num_requests_waiting", "Calls that wait to be admitted.", (load) => load.waiting_groups),
  loadGauge(
    "vllm:kv_cache_usage_perc",
    "Share of the KV cache's cells in use; 1 is all of them.",
    ({ used_cells, cell_count }) => used_cells / cell_count,
  ),
  counter(
    "vllm:prefix_cache_queries_total",
    "Prompt tokens looked up in the prefix cache.",
    "prefix_query_tokens",
  ),
  counter("vllm:prefix_cache_hits_total", "Prompt tokens found in the prefix cache.", "prefix_hit_tokens"),
  counter("vllm:num_preemptions_total", "Calls whose slots were taken back before their end.", "preemptions"),
  counter(
    "vllm:spec_decode_num_draft_tokens_total",
    "Drafted tokens that were verified, of prompt lookup and draft models.",
    "drafted_tokens",
  ),
  counter(
    "vllm:spec_decode_num_accepted_tokens_total",
    "Drafted tokens that proved right.",
    "accepted_tokens",
  ),
  counter("vllm:prompt_tokens_total", "Prompt tokens of admitted calls.", "prompt_tokens"),
  counter(
    "vllm:generation_tokens_total",
    "Generated tokens, over all returned sequences.",
    "generated_tokens",
  ),
  finishedCounter("vllm:request_success_total", "Calls that ended, by the reason they ended for."),
  histogram("vllm:iteration_tokens_total", "Tokens computed in a step.", "step_tokens"),
  histogram(
    "vllm:time_to_first_token_seconds",
    "From a call's arrival to its first token.",
    "time_to_first_token_seconds",
  ),
  histogram(
    "vllm:inter_token_latency_seconds",
    "Between two tokens of a sequence.",
    "inter_token_latency_seconds",
  ),
  histogram("vllm:e2e_request_latency_seconds", "From a call's arrival to its end.", "total_seconds"),
  histogram("vllm:request_queue_time_seconds", "A call's wait for admission.", "queue_seconds"),
  histogram("vllm:request_prefill_time_seconds", "From admission to the first token.", "prefill_seconds"),
  histogram("vllm:request_decode_time_seconds", "From the first token to the end.", "decode_seconds"),
  histogram("vllm:request_prompt_tokens", "Prompt tokens of a call.", "prompt_tokens"),
  histogram("vllm:request_generation_tokens", "Generated tokens of a call.", "generated_tokens"),

  counter("corral_steps_total", "Steps of the engine that computed tokens.", "steps"),
  splitCounter(
    "corral_step_tokens_total",
    "Tokens computed in steps: of prompts (prefill) and generated ones (decode).",
    "phase",
    { prefill: "prefill_tokens", decode: "decode_tokens" },
  ),
  counter("corral_decode_seconds_total", "Time in which steps awaited the model.", "decode_seconds"),
  counter("corral_host_seconds_total", "Time of the engine's loop beside the model.", "host_seconds"),
  loadGauge(
    "corral_sequences_running",
    "Sequences that are being computed.",
    (load) => load.running_sequences,
  ),
  loadGauge("corral_slots_used", "Slots that are not free.", (load) => load.used_slots),
  loadGauge("corral_slots", "Slots of the replica.", (load) => load.slot_count),
  loadGauge("corral_cells_used", "Cells of the KV cache that hold a token.", (load) => load.used_cells),
  loadGauge("corral_cells", "Cells of the KV cache.", (load) => load.cell_count),
  replicaGauge("corral_replica_ready", "1 while the replica answers calls, else 0.", ({ ready }) =>
    Number(ready),
  ),
  replicaGauge(
    "corral_replica_resident_memory_bytes",
    "Resident memory of the replica's process.",
    ({ residentBytes }) => residentBytes,
  ),
  replicaGauge(
    "corral_gateway_calls_in_flight",
    "Calls of this platform process that the replica has not answered.",
    ({ inFlightCount }) => inFlightCount,
  ),
  deploymentCounter(
    "corral_model_loads_total",
    "Times that the model was loaded.",
    ({ residency }) => residency.loadCount,
  ),
  deploymentCounter(
    "corral_model_unloads_total",
    "Times that it was unloaded for others, or because nobody called.",
    ({ residency }) => residency.unloadCount,
  ),
  deploymentGauge(
    "corral_model_memory_bytes",
    "Memory that is booked for the model; 0 while it is not loaded.",
    ({ residency }) => residency.bookedBytes,
  ),
  deploymentGauge(
    "corral_calls_waiting_for_load",
    "Calls that wait until the model is loaded.",
    ({ residency }) => residency.waitingCount,
  ),
  backlogGauge(
    "corral_queue_runs",
    "Asynchronous runs that wait for a replica.",
    ({ queuedCount }) => queuedCount,
  ),
  backlogGauge(
    "corral_queue_oldest_seconds",
    "How long the first of them has waited; 0 where none waits.",
    ({ oldestSeconds }) => oldestSeconds,
  ),
  backlogGauge(
    "corral_deliveries_pending",
    "Results that are still to be sent to their webhooks.",
    ({ pendingDeliveryCount }) => pendingDeliveryCount,
  ),
  backlogGauge(
    "corral_deliveries_dead",
    "Results whose webhook was given up, as long as they are kept.",
    ({ deadDeliveryCount }) => deadDeliveryCount,
  ),
  deploymentCounter(
    "corral_replica_restarts_total",
    "Replicas that ended without being asked to.",
    ({ restartCount }) => restartCount,
  ),
];
