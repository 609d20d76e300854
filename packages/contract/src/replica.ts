// What a replica is started with: one JSON document, the same for a process, a container and a pod.

import { z } from "zod";
import { errorTable, type ErrorCode } from "./errors.ts";
import { callCapsSchema } from "./generation-caps.ts";

export const precisions = ["default", "reference"] as const;
export type Precision = (typeof precisions)[number];

export const cacheTypes = ["f32", "f16", "q8_0"] as const;
/** The type of keys and values in the KV cache. */
export type CacheType = (typeof cacheTypes)[number];

/** What may compute. `auto`: a GPU whose libraries are installed and that answers, else the processor. */
export const deviceChoices = ["auto", "cpu", "cuda", "vulkan"] as const;
export type DeviceChoice = (typeof deviceChoices)[number];

export const integrityChecks = ["never", "idle", "step"] as const;
export type IntegrityChecks = (typeof integrityChecks)[number];

/** Parameter values a model brings along, by their wire names; merged under the caller's. */
export const modelDefaultsSchema = z.record(z.string(), z.unknown());
export type ModelDefaults = z.infer<typeof modelDefaultsSchema>;

/** A LoRA adapter on the replica's machine. */
export const replicaAdapterSchema = z.strictObject({
  name: z.string(),
  /** Path of the GGUF file. */
  path: z.string(),
  /** Checked before the file is loaded. */
  sha256: z.string(),
});
export type ReplicaAdapter = z.infer<typeof replicaAdapterSchema>;

/** All that a deployment has beside those of its version, as of a change of them; a later one has a higher number. */
export const replicaAdaptersSchema = z.strictObject({
  revision: z.int().nonnegative(),
  adapters: z.array(replicaAdapterSchema),
});
export type ReplicaAdapters = z.infer<typeof replicaAdaptersSchema>;

const errorCodes = Object.keys(errorTable) as [ErrorCode, ...ErrorCode[]];

/** What a replica's `/adapters` answers: all that calls may name now, and why others of the list are not among them. */
export const replicaAdaptersAnswerSchema = z.object({
  names: z.array(z.string()),
  problems: z.array(z.object({ name: z.string(), code: z.enum(errorCodes), detail: z.string() })),
});
export type ReplicaAdaptersAnswer = z.infer<typeof replicaAdaptersAnswerSchema>;

export const replicaConfigSchema = z.strictObject({
  replica_id: z.string(),
  deployment_id: z.string(),
  deployment_name: z.string(),
  model_id: z.string(),
  model_name: z.string(),
  /** `unix:` and a path in a directory of mode 700, or `http:` host and port. */
  address: z.string().regex(/^(unix:\/|http:\/\/)/),
  /** Needed on every request where the address is `http:`. */
  token: z.string().nullable(),
  weights: z.strictObject({
    /** Path of the GGUF file. */
    path: z.string(),
    /** Checked before the file is loaded. */
    sha256: z.string(),
  }),
  /** Smaller models of the same vocabulary that draft, by the names that calls give; absent: none. */
  draft_models: z
    .array(z.strictObject({ name: z.string(), path: z.string(), sha256: z.string() }))
    .optional(),
  /** LoRA adapters of the version, by the names that calls give; absent: none. */
  adapters: z.array(replicaAdapterSchema).optional(),
  /** Those that were added to the deployment; one that cannot be loaded is left out. Absent: none. */
  added_adapters: replicaAdaptersSchema.optional(),
  precision: z.enum(precisions),
  /** Absent: f16, and f32 for `reference`, which takes no other. */
  cache_type: z.enum(cacheTypes).optional(),
  device: z.enum(deviceChoices),
  /** Where the replicas of a host tell each other which of them computes; null: as if it were alone. */
  threads_directory: z.string().nullable(),
  /** Where computed prefixes outlive the replica; null: nowhere. */
  prefix_store: z.strictObject({ directory: z.string(), limit_bytes: z.int().positive() }).nullable(),
  /** When the engine checks that its own bookkeeping agrees with itself; a violation ends the replica. */
  integrity_checks: z.enum(integrityChecks),
  /** The model's own generation_config.json, or an empty object. */
  generation_config: z.record(z.string(), z.unknown()),
  defaults: modelDefaultsSchema,
  /** Jinja, used where the weights carry no template; absent: then there is none. */
  chat_template: z.string().optional(),
  limits: z.strictObject({
    /** Most tokens of one sequence; null: what the model was trained for. */
    context_length: z.int().positive().nullable(),
    slot_count: z.int().min(1).max(256),
    /** Cells of the KV cache; null: enough for `slot_count` short sequences or one full context. */
    cell_count: z.int().positive().nullable(),
    max_batch_tokens: z.int().positive(),
    /** Most threads of a step; null: as many as the machine has cores to spare. */
    /** How long prompts may make a step while others wait for their next token. */
    max_step_ms: z.number().positive(),
    thread_count: z.int().positive().nullable(),
    /** Calls that may wait; one more is answered with 429. */
    queue_length: z.int().positive(),
    body_bytes: z.int().positive(),
    /** What one call may cost; what is absent is at its default. */
    call_caps: callCapsSchema,
  }),
  log_level: z.enum(["debug", "info", "warn", "error"]),
});
export type ReplicaConfig = z.infer<typeof replicaConfigSchema>;
