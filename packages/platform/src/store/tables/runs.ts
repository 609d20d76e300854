// Runs, the queue of those that nobody waits for, and where their results go.

import type { DeliveryStatus, Dialect, FinishReason, RunError, RunStatus, Timings } from "@corral/contract";
import type { ColumnType, Generated } from "kysely";
import type { Created, Json } from "./columns.ts";

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

/** Where the result of a run goes, as its caller said. */
export interface WebhookTarget {
  readonly url: string;
  /** In whose form and with whose signatures it is sent. */
  readonly dialect: Dialect;
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
