// Projects and what belongs to a whole project.

import type { Scope } from "@corral/contract";
import type { ColumnType, Generated } from "kysely";
import type { Created } from "./columns.ts";

export interface ProjectsTable {
  id: string;
  name: string;
  /** False: outputs of its runs are kept only where a call asks for it. */
  stores_runs: Generated<boolean>;
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
  made_by: ColumnType<string | null, string | null | undefined, never>;
}

export interface SecretsTable {
  id: string;
  project_id: string;
  name: string;
  sealed: Buffer;
  created_at: Created;
  updated_at: ColumnType<Date, Date | undefined, Date>;
}

export interface AcceptedLicensesTable {
  project_id: string;
  license_id: string;
  key_id: string | null;
  accepted_at: Created;
}

export interface SchemaMigrationsTable {
  number: number;
  name: string;
  sha256: string;
  applied_at: Created;
}
