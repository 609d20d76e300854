// A replica's configuration for tests, in a directory of its own.

import type { ReplicaCode, ReplicaConfig } from "@corral/contract";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ModelReplicaConfig } from "../loaded-model.ts";

export interface TestPlace {
  readonly directory: string;
  readonly socketPath: string;
  remove(): void;
}

export function createTestPlace(): TestPlace {
  const directory = mkdtempSync(join(tmpdir(), "corral-replica-"));
  return {
    directory,
    socketPath: join(directory, "replica.sock"),
    remove: () => rmSync(directory, { recursive: true, force: true }),
  };
}

export interface ConfigChanges extends Partial<Omit<ModelReplicaConfig, "limits">> {
  readonly limits?: Partial<ReplicaConfig["limits"]>;
}

export function testConfig(socketPath: string, changes: ConfigChanges = {}): ModelReplicaConfig {
  return {
    replica_id: "replica-1",
    deployment_id: "deployment-1",
    deployment_name: "tiny",
    model_id: "model-1",
    model_name: "tiny",
    address: `unix:${socketPath}`,
    token: null,
    weights: { path: "/nowhere.gguf", sha256: "0".repeat(64) },
    precision: "reference",
    device: "cpu",
    threads_directory: null,
    prefix_store: null,
    integrity_checks: "step",
    generation_config: {},
    defaults: {},
    log_level: "error",
    ...changes,
    limits: {
      context_length: null,
      slot_count: 8,
      cell_count: null,
      max_batch_tokens: 64,
      max_step_ms: 1_000,
      thread_count: 1,
      queue_length: 4,
      body_bytes: 1024 * 1024,
      call_caps: {},
      ...changes.limits,
    },
  };
}

/** Of TypeScript code in a directory. */
export function testCode(directory: string, changes: Partial<ReplicaCode> = {}): ReplicaCode {
  return {
    kind: "typescript",
    directory,
    file: "model/model.ts",
    data_directory: "data",
    packages_directory: "packages",
    config: {},
    environment_variables: {},
    secrets: {},
    environment: null,
    hidden_directories: [],
    predict_concurrency: 8,
    ...changes,
    limits: {
      memory_bytes: null,
      open_files: 256,
      answer_bytes: 1024 ** 2,
      load_ms: 20_000,
      call_ms: 10_000,
      piece_ms: 10_000,
      ...changes.limits,
    },
  };
}
