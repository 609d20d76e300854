// The tables as TypeScript sees them; `migrations/` makes them, `tables/` describes them. Rows keep the database's spelling:
// the wire's shapes are made from them by `to…` functions, one beside each resource.

import type { Kysely, Selectable } from "kysely";
import type {
  ProjectsTable,
  ApiKeysTable,
  SecretsTable,
  AcceptedLicensesTable,
  SchemaMigrationsTable,
} from "./tables/projects.ts";
import type {
  ModelsTable,
  VersionsTable,
  DeploymentsTable,
  AdaptersTable,
  ReplicasTable,
  TrussStatesTable,
} from "./tables/models.ts";
import type {
  RunsTable,
  RunTextsTable,
  RunAnswersTable,
  IdempotencyKeysTable,
  QueueTable,
  DeliveriesTable,
  WebhookSecretsTable,
} from "./tables/runs.ts";
import type { BudgetsTable, PricesTable, UsageDaysTable } from "./tables/usage.ts";
import type { WeightsTable, UploadsTable, UploadRequestsTable } from "./tables/files.ts";

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
