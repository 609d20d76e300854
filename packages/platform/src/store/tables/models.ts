// Models, their versions, deployments and replicas.

import type { CodeInterface, DeploymentStatus } from "@corral/contract";
import type { ColumnType, Generated } from "kysely";
import type { Created, Json } from "./columns.ts";

export interface ModelsTable {
  id: string;
  project_id: string;
  name: string;
  /** As its author writes it; null: as the name. */
  title: string | null;
  production_deployment_id: string | null;
  created_at: Created;
  deleted_at: Date | null;
}

export interface VersionsTable {
  id: string;
  project_id: string;
  model_id: string;
  digest: string;
  manifest: Json<unknown>;
  /** Null with `weights_sha256`: its code answers by itself. */
  weights_path: string | null;
  weights_sha256: string | null;
  /** Weights of draft models: `name`, `path` and `sha256`. */
  draft_models: ColumnType<
    readonly { readonly name: string; readonly path: string; readonly sha256: string }[],
    string | undefined
  >;
  /** LoRA adapters in the same form. */
  adapters: ColumnType<
    readonly { readonly name: string; readonly path: string; readonly sha256: string }[],
    string | undefined
  >;
  /** Name of its directory in the bundle store. */
  bundle: string | null;
  /** A patch made it. */
  patched: Generated<boolean>;
  /** What its code said when it was loaded last; null: it has none, or has not been loaded. */
  code_interface: ColumnType<CodeInterface | null, string | undefined, string>;
  created_at: Created;
}

export const desiredStates = ["running", "stopped"] as const;
export type DesiredState = (typeof desiredStates)[number];

export interface DeploymentsTable {
  id: string;
  project_id: string;
  model_id: string;
  version_id: string;
  name: string;
  identifiers: string[];
  settings: Json<Record<string, unknown>>;
  /** Patches move it from version to version; a model has at most one. */
  development: Generated<boolean>;
  /** How often the adapters that were added to it were changed. */
  adapters_revision: Generated<number>;
  desired: Generated<DesiredState>;
  status: Generated<DeploymentStatus>;
  status_detail: string | null;
  created_at: Created;
  /** When it was last asked for. */
  deployed_at: Generated<Date>;
  deleted_at: Date | null;
  /** Of its last run: from the start of the process to its readiness. */
  load_ms: number | null;
  /** Of its last run: most resident memory. */
  resident_bytes: number | null;
  /** When a platform process that does not run it last asked for it to be loaded. */
  wanted_at: Date | null;
}

export interface AdaptersTable {
  deployment_id: string;
  project_id: string;
  name: string;
  source: string;
  path: string;
  sha256: string;
  created_at: Created;
}

export const replicaStatuses = ["starting", "ready", "draining", "ended"] as const;
export type ReplicaStatus = (typeof replicaStatuses)[number];

export interface ReplicasTable {
  id: string;
  project_id: string;
  deployment_id: string;
  platform_id: string;
  pid: number | null;
  process_started: string | null;
  address: string;
  status: Generated<ReplicaStatus>;
  last_report: Generated<number>;
  started_at: Created;
  ended_at: Date | null;
  exit_detail: string | null;
}

export interface TrussStatesTable {
  deployment_id: string;
  version_id: string;
  hash: string;
  signature: string;
  /** JSON: see `TrussPatch`. */
  staged: string | null;
}
