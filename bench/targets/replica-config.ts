// The config of a replica that is measured: what all targets with one have in common.

import type { ReplicaConfig } from "@corral/contract";
import { defaultMaxStepMs } from "./entry.ts";

type Limits = ReplicaConfig["limits"];

export interface MeasuredReplica
  extends
    Pick<ReplicaConfig, "address" | "token">,
    Partial<Pick<ReplicaConfig, "code" | "weights" | "device" | "library_directory" | "prefix_store">> {
  readonly limits: Pick<Limits, "slot_count" | "max_batch_tokens"> & Partial<Limits>;
}

/** It checks and keeps nothing that a call does not need. */
export function replicaConfig({ limits, ...own }: MeasuredReplica): ReplicaConfig {
  return {
    replica_id: "bench",
    deployment_id: "bench",
    deployment_name: "bench",
    model_id: "bench",
    model_name: "bench",
    precision: "default",
    device: "cpu",
    threads_directory: null,
    prefix_store: null,
    integrity_checks: "never",
    generation_config: {},
    defaults: {},
    log_level: "error",
    ...own,
    limits: {
      context_length: null,
      cell_count: null,
      max_step_ms: defaultMaxStepMs,
      thread_count: 1,
      queue_length: 256,
      body_bytes: 16 * 1024 ** 2,
      call_caps: {},
      ...limits,
    },
  };
}
