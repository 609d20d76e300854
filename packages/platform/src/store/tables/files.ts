// Weights that were asked for, and uploads on their way in.

import type { Quantization, WeightsStatus } from "@corral/contract";
import type { Generated } from "kysely";
import type { Preparation, WeightsState } from "../../domain/weights.ts";
import type { Created, Json } from "./columns.ts";

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
  carried_out: boolean;
  claim: string | null;
  attempt: string | null;
  part: number | null;
  bytes: number;
}
