// The management API: models, versions, deployments, runs and keys as they look on the wire.

import { z } from "zod";
import { cacheTypes, precisions } from "./replica.ts";
import { budgetSchema, setBudgetSchema } from "./budget.ts";
import { computeFields, loadFields } from "./report.ts";

/** What a key may do. `admin` includes all the others. */
export const scopes = ["admin", "read", "predict", "push_config", "push_code", "metrics"] as const;
export type Scope = (typeof scopes)[number];

/** Other words for scopes, taken wherever a key's scopes are said; answers have the names above. */
export const scopeSynonyms = ["invoke", "deploy", "manage"] as const;
export const scopeWords = [...scopes, ...scopeSynonyms] as const;

/** The scope that a word means. */
export function scopeOf(word: (typeof scopeWords)[number]): Scope {
  switch (word) {
    case "invoke":
      return "predict";
    case "deploy":
      return "push_config";
    case "manage":
      return "admin";
    default:
      return word;
  }
}

const scopesSchema = z
  .array(z.enum(scopeWords))
  .min(1)
  .transform((words) => [...new Set(words.map(scopeOf))]);

const timestamp = z.iso.datetime();

export const modelSchema = z.object({ id: z.string(), name: z.string(), created_at: timestamp });
export type Model = z.infer<typeof modelSchema>;

export const versionSchema = z.object({
  id: z.string(),
  model_id: z.string(),
  model_name: z.string(),
  digest: z.string().describe("sha256 of the manifest: the files, the config and the weights' sha256."),
  weights_sha256: z.string().nullable(),
  created_at: timestamp,
});
export type Version = z.infer<typeof versionSchema>;

/** `idle`: it has answered before and holds no memory now; the next call loads it. */
export const deploymentStatuses = ["starting", "active", "idle", "unhealthy", "failed", "stopped"] as const;
export type DeploymentStatus = (typeof deploymentStatuses)[number];

export const deploymentSchema = z.object({
  id: z.string(),
  name: z.string(),
  model_id: z.string(),
  model_name: z.string(),
  version_id: z.string(),
  status: z
    .enum(deploymentStatuses)
    .describe("`idle`: it is not in memory, and the next call loads it; until then it is not `active`."),
  status_detail: z.string().nullable(),
  production: z.boolean().describe("Whether its model's name leads to it."),
  development: z.boolean().describe("Whether patches move it from version to version."),
  identifiers: z.array(z.string()).describe("Catalogue identifiers that lead to this deployment."),
  created_at: timestamp,
});
export type Deployment = z.infer<typeof deploymentSchema>;

export const replicaStatuses = ["starting", "ready", "draining", "ended"] as const;

export const replicaSchema = z.object({
  id: z.string(),
  status: z.enum(replicaStatuses),
  calls_in_flight: z.int(),
  compute: z
    .object(computeFields)
    .nullable()
    .describe("Null before it is ready, and where another platform process runs it."),
  load: z.object(loadFields).nullable().describe("Of its last report, at most a second old."),
});
export type Replica = z.infer<typeof replicaSchema>;

export const keySchema = z.object({
  id: z.string(),
  name: z.string(),
  prefix: z.string().describe("The first characters, to recognise the key by; the rest is not kept."),
  scopes: z.array(z.enum(scopes)),
  models: z.array(z.string()).nullable().describe("Model names the key is limited to; null: all."),
  token_cap: z.int().nullable().describe("Most sequences × tokens held by running calls; null: no cap."),
  weight: z.int().describe("Its share of a busy replica among other keys: 2 gets twice what 1 gets."),
  token_budget: budgetSchema.nullable().describe("What its calls may use in a period; null: no budget."),
  created_at: timestamp,
  expires_at: timestamp.nullable(),
  revoked_at: timestamp.nullable(),
  last_used_at: timestamp.nullable().describe("At most a minute behind; null: never."),
  previous_valid_until: timestamp
    .nullable()
    .describe("Until when the secret before the last rotation is good, too; null: there was no rotation."),
});
export type Key = z.infer<typeof keySchema>;

export const createKeySchema = z.strictObject({
  name: z.string().min(1).max(100),
  scopes: scopesSchema.default(["predict"]),
  models: z.array(z.string()).min(1).nullable().default(null),
  token_cap: z.int().positive().nullable().default(null),
  weight: z.int().min(1).max(100).default(1),
  token_budget: setBudgetSchema.nullable().optional().describe("Default: no budget."),
  expires_at: timestamp.nullable().default(null),
});
export type CreateKey = z.infer<typeof createKeySchema>;
/** What is left out stays as it is. */
export const patchKeySchema = z.strictObject({
  name: z.string().min(1).max(100).optional(),
  scopes: scopesSchema.optional(),
  models: z.array(z.string()).min(1).nullable().optional(),
  token_cap: z.int().positive().nullable().optional(),
  weight: z.int().min(1).max(100).optional(),
  expires_at: timestamp.nullable().optional(),
  token_budget: setBudgetSchema
    .nullable()
    .optional()
    .describe(
      "Another number of tokens keeps what is used, another period begins anew; null takes the budget away.",
    ),
});
export type PatchKey = z.infer<typeof patchKeySchema>;
/** Thirty days. */
export const mostOverlapSeconds = 2_592_000;
export const rotateKeySchema = z.strictObject({
  overlap_seconds: z
    .int()
    .min(0)
    .max(mostOverlapSeconds)
    .default(86_400)
    .describe("So long the secret so far is good as well. One that is older still ends at once."),
});
export const rotatedKeySchema = z.object({
  id: z.string(),
  key: z.string().describe("Shown this once; Corral keeps only a hash."),
  previous_valid_until: timestamp,
});
export type RotatedKey = z.infer<typeof rotatedKeySchema>;
export const createdKeySchema = z.object({
  id: z.string(),
  key: z.string().describe("Shown this once; Corral keeps only a hash."),
});

export const secretNameSchema = z
  .string()
  .max(253)
  .regex(/^(?!\.{1,2}$)[-._a-zA-Z0-9]+$/, "must be made of letters, digits, dots, - and _");

/** Most characters of a secret's value. */
export const mostSecretCharacters = 65_536;

export const secretValueSchema = z
  .string()
  .min(1)
  .max(mostSecretCharacters)
  .refine((text) => text.isWellFormed(), "must be whole characters: it has half of a surrogate pair");

export const secretSchema = z.object({
  name: z.string().describe("As `secrets` of a config.yaml declares it."),
  created_at: timestamp,
  updated_at: timestamp,
});
export type Secret = z.infer<typeof secretSchema>;

export const putSecretSchema = z.strictObject({
  value: secretValueSchema.describe("Never shown again."),
});
export type PutSecret = z.infer<typeof putSecretSchema>;

export const secretKeyRotationSchema = z.object({
  key_id: z.string().describe("Names the key that all values are sealed with now; tells nothing of it."),
  resealed: z.int().describe("Values that were sealed anew."),
  unreadable: z.int().describe("Values that no key of this process opens; they stay as they are."),
});
export type SecretKeyRotation = z.infer<typeof secretKeyRotationSchema>;

/** Makes a deployment from a pushed version, or from weights that the machine already has. */
export const createDeploymentSchema = z
  .strictObject({
    version_id: z.string().min(1).optional(),
    source: z
      .string()
      .min(1)
      .optional()
      .describe(
        "A catalogue identifier or hub repository whose weights are there, a built-in tiny model, or a GGUF file under an allowed root.",
      ),
    weights_id: z.string().min(1).optional().describe("Weights that are ready."),
    name: z.string().min(1).optional().describe("Default: the model's name."),
    development: z
      .boolean()
      .optional()
      .describe(
        "Whether it is the model's one development deployment: it is moved to the version, and then by patches.",
      ),
    precision: z.enum(precisions).optional().describe("Default: what the model asks for."),
    idle_seconds: z
      .int()
      .positive()
      .optional()
      .describe("Unused for so long it gives its memory back; default: the platform's setting."),
    context_length: z
      .int()
      .positive()
      .optional()
      .describe("Most tokens of one sequence; default: what the model asks for, or was trained for."),
    cache_type: z
      .enum(cacheTypes)
      .optional()
      .describe(
        "Of keys and values in the KV cache: `q8_0` takes about half of `f16`. Default: by precision.",
      ),
  })
  .refine(
    ({ version_id, source, weights_id }) =>
      [version_id, source, weights_id].filter((given) => given !== undefined).length === 1,
    { message: "give exactly one of version_id, source and weights_id" },
  );
export type CreateDeployment = z.infer<typeof createDeploymentSchema>;

/** Most LoRA adapters of a version, and most that are added to a deployment. */
export const mostAdapters = 64;

export const adapterOrigins = ["version", "deployment"] as const;

export const adapterSchema = z.object({
  name: z.string(),
  origin: z.enum(adapterOrigins).describe("Whether it came with the version or was added to the deployment."),
  source: z.string().describe("As it was asked for."),
  sha256: z.string(),
  created_at: timestamp.nullable().describe("When it was added; null for one of the version."),
});
export type Adapter = z.infer<typeof adapterSchema>;

export const createAdapterSchema = z.strictObject({
  name: z.string().min(1).describe("What calls give as `adapter`."),
  source: z
    .string()
    .min(1)
    .max(1000)
    .describe(
      "Absolute path of a LoRA adapter under an allowed root: a GGUF file, or a directory as PEFT saves it.",
    ),
});
export type CreateAdapter = z.infer<typeof createAdapterSchema>;

export const pushedVersionSchema = z.object({
  version: versionSchema,
  created: z.boolean().describe("False where the same content had been pushed before."),
  warnings: z.array(z.string()),
});
export type PushedVersion = z.infer<typeof pushedVersionSchema>;

export function listSchema<Item extends z.ZodType>(item: Item) {
  return z.object({ items: z.array(item), next_cursor: z.string().nullable() });
}

export const listQuerySchema = z.object({
  limit: z.coerce.number().int().min(1).max(500).default(50),
  cursor: z.string().optional(),
});
