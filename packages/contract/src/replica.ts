// What a replica is started with: one JSON document, the same for a process, a container and a pod.

import { z } from "zod";
import { codeInterfaceSchema } from "./code-interface.ts";
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

/** A repository of the hub that code wants to find on its machine. */
export const hubFilesSchema = z.strictObject({
  /** Of config.yaml: `model_cache` or `weights`. */
  field: z.string(),
  /** `owner/name`. */
  repository: z.string(),
  /** Null: the newest. */
  revision: z.string().nullable(),
  /** Absent: all files. */
  allow_patterns: z.array(z.string()).optional(),
  ignore_patterns: z.array(z.string()).optional(),
  /** The name of the secret that holds a token of the hub. */
  secret: z.string(),
  /** Absolute; null: in the cache of Python's libraries. */
  place: z.string().nullable(),
});
export type HubFiles = z.infer<typeof hubFilesSchema>;

/** What a Python model needs to be there before its code is started. */
export const pythonCodeSchema = z.strictObject({
  /** As in config.yaml: `py311`; null: any will do. */
  version: z.string().nullable(),
  /** Refuse every other version. */
  strict: z.boolean(),
  /** Lines as pip reads them. */
  requirements: z.array(z.string()),
  /** Of the bundle. */
  requirements_file: z.string().nullable(),
  /** Files to fetch below the data directory. */
  external_data: z.array(z.strictObject({ url: z.string(), local_data_path: z.string() })),
  hub_files: z.array(hubFilesSchema),
  /** Tokens of `hub_files` that the code itself is not given. */
  hub_secrets: z.record(z.string(), z.string()).optional(),
  /** Of the bundle's content: names what requirements of the bundle's own make. */
  bundle_digest: z.string(),
  /** Absolute; environments, the installer and its caches, kept for all models. */
  home: z.string(),
});
export type PythonCode = z.infer<typeof pythonCodeSchema>;

/** The author's code, and what it may know and take. */
export const replicaCodeSchema = z.strictObject({
  /** `server`: a command that starts a server, to which calls go. */
  kind: z.enum(["python", "typescript", "server"]),
  /** Absolute; the bundle's files. */
  directory: z.string(),
  /** Of the bundle, such as `model/model.ts`. */
  file: z.string(),
  /** Absent: for TypeScript, its exports decide. */
  class_name: z.string().optional(),
  /** Of the bundle. */
  data_directory: z.string(),
  packages_directory: z.string(),
  /** What the author wrote, with every default: what code is given as its config. */
  config: z.record(z.string(), z.unknown()),
  environment_variables: z.record(z.string(), z.string()),
  /** There where `kind` is `server`. */
  server: z
    .strictObject({
      start_command: z.string(),
      port: z.int(),
      /** Paths. */
      predict_endpoint: z.string(),
      readiness_endpoint: z.string(),
      liveness_endpoint: z.string(),
      /** It may take so long until it answers. */
      startup_ms: z.int().positive(),
      /** Silent for so long, it is started again. */
      restart_ms: z.int().positive(),
    })
    .optional(),
  /** There where `kind` is `python`, and for a server that needs Python's packages or files. */
  python: pythonCodeSchema.optional(),
  /** Absolute; packages of TypeScript models, kept for all of them. Absent: package.json is not looked at. */
  packages_home: z.string().optional(),
  /** The GPU that the code asks for; absent: none. `strict`: nothing else will do. */
  accelerator: z
    .strictObject({ name: z.string(), count: z.int().positive(), strict: z.boolean() })
    .optional(),
  /** Of those that the config declares. They lie in no file: see `replicaSecretsSchema`. */
  secrets: z.record(z.string(), z.string()),
  /** `{name}` of the environment that the deployment is promoted to. */
  environment: z.record(z.string(), z.unknown()).nullable(),
  /** Absolute; the code is not to see what is in them, but for its own. */
  hidden_directories: z.array(z.string()),
  /**
   * Absolute; where the files of each code that the replica is given are linked, so that one process can take several
   * after each other. There for development deployments; absent: the code is what it was started with.
   */
  live_directory: z.string().optional(),
  predict_concurrency: z.int().positive(),
  limits: z.strictObject({
    /** Of all processes of the code together; null: no limit. */
    memory_bytes: z.int().positive().nullable(),
    /** Of each process. */
    open_files: z.int().positive(),
    /** Of one answer. */
    answer_bytes: z.int().positive(),
    load_ms: z.int().positive(),
    /** Of a call whose caller sets no deadline. */
    call_ms: z.int().positive(),
    /** Between two pieces of a streamed answer. */
    piece_ms: z.int().positive(),
  }),
  /** What follows where the code has a method that says whether it is healthy; a threshold that is absent: nothing. */
  health: z
    .strictObject({
      /** After its load, before it is asked the first time. */
      delay_ms: z.int().min(0),
      stop_traffic_ms: z.int().min(0).optional(),
      restart_ms: z.int().min(0).optional(),
    })
    .optional(),
});
export type ReplicaCode = z.infer<typeof replicaCodeSchema>;

/**
 * What a process of a replica reads from its standard input where its config says `secrets_on_stdin`: JSON, to its end.
 * So they are in no file, and in no environment that other processes of the user may read.
 */
export const replicaSecretsSchema = z.strictObject({
  secrets: z.record(z.string(), z.string()),
  hub_secrets: z.record(z.string(), z.string()).optional(),
});
export type ReplicaSecrets = z.infer<typeof replicaSecretsSchema>;

/** What a replica's `/environment` takes: where its deployment is by now. Answered once the code was told. */
export const replicaEnvironmentSchema = z.strictObject({
  /** As in `replicaCodeSchema`. */
  environment: z.record(z.string(), z.unknown()).nullable(),
});
export type ReplicaEnvironment = z.infer<typeof replicaEnvironmentSchema>;

/** What a replica's `/code` takes. */
export const replicaCodeChangeSchema = z.strictObject({
  code: replicaCodeSchema,
  /** Whether the process that runs may take the new code and keep its state, where its language can. */
  keep_state: z.boolean(),
});
export type ReplicaCodeChange = z.infer<typeof replicaCodeChangeSchema>;

/**
 * How a replica came to other code. `state_kept`: its process took the new class, and `load` did not run. `replaced`:
 * another process took over, in which `load` ran. `unchanged`: it had the very code already.
 */
export const reloadKinds = ["state_kept", "replaced", "unchanged"] as const;
export type ReloadKind = (typeof reloadKinds)[number];

/** What a replica's `/code` answers: the new code serves, or it is refused and the old code goes on. */
export const replicaCodeAnswerSchema = z.discriminatedUnion("kind", [
  z.object({
    kind: z.literal("loaded"),
    reload: z.enum(reloadKinds),
    /** Of the author's `load`, which ran again; 0 where it did not. */
    load_ms: z.number(),
    ...codeInterfaceSchema.shape,
  }),
  z.object({
    kind: z.literal("refused"),
    stage: z.string(),
    message: z.string(),
    traceback: z.string().optional(),
    /** Of the bundle. */
    file: z.string().optional(),
    line: z.int().optional(),
  }),
]);
export type ReplicaCodeAnswer = z.infer<typeof replicaCodeAnswerSchema>;

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
  /** Absent: the code answers alone, and no native library is loaded. One of `weights` and `code` is there. */
  weights: z
    .strictObject({
      /** Path of the GGUF file. */
      path: z.string(),
      /** Checked before the file is loaded. */
      sha256: z.string(),
    })
    .optional(),
  /** Absent: the model answers by itself. */
  code: replicaCodeSchema.optional(),
  /** Secrets of its code are not here: they come on standard input, as `replicaSecretsSchema`. */
  secrets_on_stdin: z.boolean().optional(),
  /** Where its code's calls of other deployments go, and what proves that they are this replica's. Absent: there are none. */
  platform: z
    .strictObject({ address: z.string().regex(/^(unix:\/|http:\/\/)/), token: z.string() })
    .optional(),
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
  /** Absolute path of llama.cpp libraries of the operator's own build; absent: those of the npm packages. */
  library_directory: z.string().optional(),
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
    /** How long prompts may make a step while others wait for their next token. */
    max_step_ms: z.number().positive(),
    /** Most threads of a step; null: as many as the machine has cores to spare. */
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
