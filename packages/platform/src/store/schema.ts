// The tables as TypeScript sees them; `migrations/` makes them. Rows keep the database's spelling: the wire's
// shapes are made from them by `to…` functions, one beside each resource.

import type {
  CodeInterface,
  DeliveryStatus,
  BudgetPeriod,
  Dialect,
  DeploymentStatus,
  FinishReason,
  Quantization,
  RunError,
  RunStatus,
  Scope,
  Timings,
  WeightsStatus,
} from "@corral/contract";
import type { ColumnType, Generated, Kysely, Selectable } from "kysely";
import type { Preparation, WeightsState } from "../domain/weights.ts";

/** Written as JSON text, read as the value. Columns are `json`, which unlike `jsonb` can hold U+0000. */
type Json<Value> = ColumnType<Value, string, string>;
type Created = ColumnType<Date, Date | undefined, never>;

export interface ProjectsTable {
  id: string;
  name: string;
  created_at: Created;
}

export interface ApiKeysTable {
  id: string;
  project_id: string;
  name: string;
  prefix: string;
  hash: Buffer;
  scopes: Scope[];
  models: string[] | null;
  token_cap: number | null;
  weight: number;
  created_at: Created;
  expires_at: Date | null;
  revoked_at: Date | null;
  /** Of the secret before the last rotation, which is good until then. */
  previous_hash: ColumnType<Buffer | null, Buffer | null | undefined, Buffer | null>;
  previous_until: ColumnType<Date | null, Date | null | undefined, Date | null>;
  last_used_at: ColumnType<Date | null, never, Date | null>;
}

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

export interface RunsTable {
  id: string;
  project_id: string;
  deployment_id: string;
  /** Null: no replica has it yet. */
  replica_id: string | null;
  key_id: string | null;
  dialect: Dialect;
  status: RunStatus;
  finish_reasons: Generated<FinishReason[]>;
  /** JSON text: see `toRun`. */
  output: string | null;
  error: ColumnType<RunError | null, string | null, string | null>;
  prompt_tokens: Generated<number>;
  cached_tokens: Generated<number>;
  generated_tokens: Generated<number>;
  usage_complete: Generated<boolean>;
  timings_ms: ColumnType<Timings | null, string | null, string | null>;
  run_time_ms: number | null;
  created_at: Created;
  first_token_at: Date | null;
  finished_at: Date | null;
  /** It was answered with its id at once. */
  asynchronous: Generated<boolean>;
  /** How often a replica was given it. */
  attempt: Generated<number>;
  /** Where its result goes; null: nowhere. With `webhook_secret` it is made by `webhook/target.ts`. */
  webhook: ColumnType<WebhookTarget | null, string | null | undefined, string | null>;
  /** The caller's own secret for signatures, sealed. */
  webhook_secret: Buffer | null;
  /** False: counts and timings are kept, input and output are not. */
  stored: Generated<boolean>;
  /** Somebody asked for its end; null: nobody did. */
  cancel_requested_at: Date | null;
  /** What ended the last attempt may not meet the next one. */
  may_retry: Generated<boolean>;
  /** Of its last attempt so far, in UTF-16 code units; null: its text is not kept piece by piece. */
  text_length: number | null;
  /** What the generation was set to, by wire names. */
  parameters: ColumnType<Readonly<Record<string, unknown>> | null, string | null | undefined, string | null>;
}

export interface RunTextsTable {
  run_id: string;
  attempt: number;
  at_offset: number;
  length: number;
  /** JSON: a list of `[prompt, sequence, text]`. */
  pieces: string;
}

export interface RunAnswersTable {
  run_id: string;
  status: number;
  content_type: string;
  body: Buffer;
}

export interface IdempotencyKeysTable {
  project_id: string;
  /** '': the operator's own key. */
  key_id: string;
  key: string;
  digest: Buffer;
  run_id: string;
  platform_id: string;
  leased_until: Date;
  expires_at: Date;
}

/** Where the result of a run goes, as its caller said. */
export interface WebhookTarget {
  readonly url: string;
  /** In whose form and with whose signatures it is sent. */
  readonly dialect: Dialect;
}

export interface QueueTable {
  run_id: string;
  project_id: string;
  deployment_id: string;
  /** 0 first. */
  priority: Generated<number>;
  path: string;
  headers: Json<Readonly<Record<string, string>>>;
  body: Buffer;
  /** Its answer has nothing of the family's around it. */
  is_bare: Generated<boolean>;
  available_at: Date;
  expires_at: Date;
  /** For each attempt. */
  queue_seconds: Generated<number>;
  /** 1 to 10. */
  max_attempts: number;
  /** Between the first and the second; doubled from attempt to attempt, at most `max_delay_ms`. */
  initial_delay_ms: number;
  max_delay_ms: number;
  platform_id: string | null;
  leased_until: Date | null;
  fence: Generated<number>;
}

export interface DeliveriesTable {
  id: Generated<string>;
  run_id: string;
  project_id: string;
  url: string;
  origin: ColumnType<string, never, never>;
  dialect: Dialect;
  status: DeliveryStatus;
  attempts: Generated<number>;
  next_attempt_at: Date | null;
  expires_at: Date;
  platform_id: string | null;
  leased_until: Date | null;
  fence: Generated<number>;
  last_status: number | null;
  last_error: string | null;
  created_at: Created;
  finished_at: Date | null;
}

export interface WebhookSecretsTable {
  project_id: string;
  secret: Buffer;
  previous: Buffer | null;
  previous_until: Date | null;
  created_at: Created;
  rotated_at: Date | null;
}

export interface WeightsTable {
  id: string;
  project_id: string;
  platform_id: string;
  source: string;
  identifier: string | null;
  name: string;
  origin: string;
  content_key: string;
  preparation: Json<Preparation>;
  repository: string | null;
  revision: string | null;
  quantization: Quantization | null;
  status: Generated<WeightsStatus>;
  state: Json<WeightsState>;
  retry_at: Date | null;
  pid: number | null;
  process_started: string | null;
  path: string | null;
  bytes: number | null;
  sha256: string | null;
  created_at: Created;
  deleted_at: Date | null;
}

export interface AcceptedLicensesTable {
  project_id: string;
  license_id: string;
  key_id: string | null;
  accepted_at: Created;
}

export interface UploadsTable {
  id: string;
  project_id: string;
  key_id: string | null;
  created_at: Created;
  expires_at: Date;
  used_at: Date | null;
}

export interface UploadRequestsTable {
  signature: string;
  upload_id: string;
}

export interface TrussStatesTable {
  deployment_id: string;
  version_id: string;
  hash: string;
  signature: string;
  /** JSON: see `TrussPatch`. */
  staged: string | null;
}

export interface BudgetsTable {
  key_id: string;
  project_id: string;
  tokens: number;
  period: BudgetPeriod;
  period_start: Date;
  used: Generated<number>;
  reserved: Generated<number>;
}

/** Decimals as text: `numeric` is exact, and a number would not be. */
export interface PricesTable {
  project_id: string;
  model_id: string;
  valid_from: Date;
  /** ISO 4217. */
  currency: string;
  prompt_token: string;
  cached_token: string;
  generated_token: string;
  per_ms: string;
}

/** Written by a trigger where runs are deleted. */
export interface UsageDaysTable {
  project_id: string;
  day: string;
  model_id: string;
  key_id: string | null;
  price_from: Date | null;
  runs: number;
  incomplete_runs: number;
  prompt_tokens: number;
  cached_tokens: number;
  generated_tokens: number;
  run_time_us: number;
}

export interface SecretsTable {
  id: string;
  project_id: string;
  name: string;
  sealed: Buffer;
  created_at: Created;
  updated_at: ColumnType<Date, Date | undefined, Date>;
}

export interface SchemaMigrationsTable {
  number: number;
  name: string;
  sha256: string;
  applied_at: Created;
}

export interface Database {
  projects: ProjectsTable;
  api_keys: ApiKeysTable;
  models: ModelsTable;
  versions: VersionsTable;
  deployments: DeploymentsTable;
  adapters: AdaptersTable;
  replicas: ReplicasTable;
  runs: RunsTable;
  run_texts: RunTextsTable;
  run_answers: RunAnswersTable;
  idempotency_keys: IdempotencyKeysTable;
  queue: QueueTable;
  deliveries: DeliveriesTable;
  webhook_secrets: WebhookSecretsTable;
  weights: WeightsTable;
  accepted_licenses: AcceptedLicensesTable;
  uploads: UploadsTable;
  upload_requests: UploadRequestsTable;
  truss_states: TrussStatesTable;
  prices: PricesTable;
  budgets: BudgetsTable;
  usage_days: UsageDaysTable;
  secrets: SecretsTable;
  schema_migrations: SchemaMigrationsTable;
}

/** A database or an open transaction on it: every store function takes either. */
export type Db = Kysely<Database>;

export type ProjectRow = Selectable<ProjectsTable>;
export type KeyRow = Selectable<ApiKeysTable>;
export type ModelRow = Selectable<ModelsTable>;
export type VersionRow = Selectable<VersionsTable> & { model_name: string };
export type DeploymentRow = Selectable<DeploymentsTable> & {
  model_name: string;
  /** It answers its model's name. */
  production: boolean;
};
export type AdapterRow = Selectable<AdaptersTable>;
export type ReplicaRow = Selectable<ReplicasTable>;
export type RunRow = Selectable<RunsTable>;
export type DeliveryRow = Selectable<DeliveriesTable>;
export type UploadRow = Selectable<UploadsTable>;
export type SecretRow = Selectable<SecretsTable>;
export type WeightsRow = Selectable<WeightsTable>;
