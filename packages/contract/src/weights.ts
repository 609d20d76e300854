// Weights on the platform's machine: what can be asked for, what becomes of it, and what the process that fetches,
// converts and quantises tells the platform.

import { z } from "zod";
import { errorTable, type ErrorCode } from "./errors.ts";
import { nearestName } from "./nearest-name.ts";

/** llama.cpp's names of file types, in lower case; each is one recipe of tensor types. */
export const quantizations = [
  "f32",
  "f16",
  "bf16",
  "q8_0",
  "q6_k",
  "q5_k_m",
  "q5_k_s",
  "q5_1",
  "q5_0",
  "q4_k_m",
  "q4_k_s",
  "q4_1",
  "q4_0",
  "q3_k_l",
  "q3_k_m",
  "q3_k_s",
  "q2_k",
  "q2_k_s",
  "q2_0",
  "q1_0",
  "iq4_nl",
  "iq4_xs",
  "iq3_m",
  "iq3_s",
  "iq3_xs",
  "iq3_xxs",
  "iq2_m",
  "iq2_s",
  "iq2_xs",
  "iq2_xxs",
  "iq1_m",
  "iq1_s",
  "tq2_0",
  "tq1_0",
  "mxfp4_moe",
] as const;
export type Quantization = (typeof quantizations)[number];

/** Too few bits to spread evenly: they are written with an importance matrix only. */
export const quantizationsByImportance: ReadonlySet<Quantization> = new Set<Quantization>([
  "q2_k_s",
  "iq3_xs",
  "iq3_xxs",
  "iq2_m",
  "iq2_s",
  "iq2_xs",
  "iq2_xxs",
  "iq1_m",
  "iq1_s",
]);

/** Types that the output matrix and the token embedding can be given apart from the others. */
export const tensorTypeNames = [
  "f32",
  "f16",
  "bf16",
  "q8_0",
  "q6_k",
  "q5_k",
  "q4_k",
  "q3_k",
  "q2_k",
  "q5_1",
  "q5_0",
  "q4_1",
  "q4_0",
  "iq4_nl",
  "iq4_xs",
  "iq3_s",
] as const;
export type TensorTypeName = (typeof tensorTypeNames)[number];

/** What is wrong with a name of a quantisation, with what it may have meant; null: nothing. */
export function quantizationProblem(name: string): string | null {
  if ((quantizations as readonly string[]).includes(name)) return null;
  const near = quantizations.find((known) => bare(known) === bare(name)) ?? nearestName(name, quantizations);
  const hint = near === null ? "" : `; did you mean ${near}?`;
  return `it must be one of ${quantizations.join(", ")}${hint}`;
}

/** Without what people leave out: "Q4-KM" and "q4_k_m" are the same. */
const bare = (name: string) => name.toLowerCase().replaceAll(/[^a-z0-9]/g, "");

const quantizationSchema = z.enum(quantizations, {
  error: ({ input }) => quantizationProblem(typeof input === "string" ? input : "") ?? undefined,
});

/** How matrices are rewritten. */
export const quantizationRecipeSchema = z.strictObject({
  quantization: quantizationSchema,
  output_type: z.enum(tensorTypeNames).optional().describe("Of the output matrix; default: the recipe's."),
  token_embedding_type: z.enum(tensorTypeNames).optional().describe("Default: the recipe's."),
  importance_matrix: z
    .string()
    .min(1)
    .optional()
    .describe("Path of an importance matrix (GGUF) under an allowed root."),
});
export type QuantizationRecipe = z.infer<typeof quantizationRecipeSchema>;

export const weightsStages = ["fetching", "converting", "quantizing", "checking"] as const;
export type WeightsStage = (typeof weightsStages)[number];

export const weightsStatuses = ["queued", ...weightsStages, "ready", "failed", "canceled"] as const;
export type WeightsStatus = (typeof weightsStatuses)[number];

/** Of the stage that runs; bytes never fall within a stage. */
export const weightsProgressSchema = z.object({
  done_bytes: z.int().nonnegative(),
  total_bytes: z.int().nonnegative().nullable(),
  bytes_per_second: z.number().nonnegative().nullable(),
  eta_seconds: z.number().nonnegative().nullable(),
});
export type WeightsProgress = z.infer<typeof weightsProgressSchema>;

const timestamp = z.iso.datetime();

const errorCodes = Object.keys(errorTable) as [ErrorCode, ...ErrorCode[]];

export const weightsSchema = z.object({
  id: z.string(),
  source: z.string().describe("As it was asked for."),
  name: z.string().describe("What a deployment of it is called unless it says otherwise."),
  repository: z.string().nullable().describe("On the hub; null: from a directory or file of the machine."),
  revision: z.string().nullable().describe("The commit that its branch or tag stood for."),
  quantization: z.enum(quantizations).nullable().describe("Null: as the source has it."),
  status: z.enum(weightsStatuses),
  detail: z.string().nullable().describe("Why it failed, or what it waits for."),
  error_code: z.enum(errorCodes).nullable().describe("Of the last failure."),
  warnings: z.array(z.string()).describe("What was remarked when they were prepared."),
  progress: weightsProgressSchema.nullable(),
  bytes: z.int().nullable().describe("Of the file, once it is ready."),
  sha256: z.string().nullable(),
  created_at: timestamp,
});
export type Weights = z.infer<typeof weightsSchema>;

export const createWeightsSchema = z.strictObject({
  source: z
    .string()
    .min(1)
    .max(1000)
    .describe(
      "A catalogue identifier or a hub repository (`owner/name`), either with `@revision` if wanted, `ollama:NAME`, or a path under an allowed root: a GGUF file or a Hugging Face directory.",
    ),
  ...quantizationRecipeSchema.partial({ quantization: true }).shape,
  file: z.string().min(1).optional().describe("Which GGUF file of a repository with several."),
  accept_license: z.string().min(1).optional().describe("The id of the licence that is accepted with it."),
});
export type CreateWeights = z.infer<typeof createWeightsSchema>;

/** A model that is known by name, and what of it is on the platform's machine. */
export const catalogueItemSchema = z.object({
  identifier: z.string(),
  title: z.string(),
  aliases: z.array(z.string()),
  built_in: z.boolean().describe("Whether Corral brings its weights along."),
  source: z.string().describe("Where its weights come from: a hub repository, or a path of the machine."),
  license: z
    .object({
      id: z.string(),
      url: z.string(),
      notice: z.string(),
      accepted: z.boolean().describe("By this project."),
    })
    .nullable(),
  quantization: z.enum(quantizations).nullable().describe("Unless another is asked for."),
  context_length: z.int().nullable(),
  weights: z
    .enum(["built_in", "missing", ...weightsStatuses])
    .describe("Whether its weights are on the machine, or what becomes of them."),
  weights_id: z.string().nullable(),
});
export type CatalogueItem = z.infer<typeof catalogueItemSchema>;

/** Where the process that prepares weights takes them from. */
export const preparationSourceSchema = z.discriminatedUnion("kind", [
  z.object({
    kind: z.literal("hub"),
    repository: z.string(),
    /** A branch, tag or commit. */
    revision: z.string(),
    /** One GGUF file of it; null: the safetensors, else the only GGUF. */
    file: z.string().nullable(),
  }),
  /** A Hugging Face directory of this machine. */
  z.object({ kind: z.literal("directory"), path: z.string() }),
  z.object({ kind: z.literal("gguf"), path: z.string() }),
]);
export type PreparationSource = z.infer<typeof preparationSourceSchema>;

/** What that process is started with, as a file. */
export const preparationConfigSchema = z.object({
  source: preparationSourceSchema,
  /** Null: matrices stay as they are. */
  recipe: quantizationRecipeSchema.nullable(),
  /** The finished file appears here at once and whole, with generation_config.json beside it. */
  target: z.string(),
  thread_count: z.int().positive(),
});
export type PreparationConfig = z.infer<typeof preparationConfigSchema>;

/** One line of JSON on its standard output. */
export const preparationMessageSchema = z.discriminatedUnion("kind", [
  z.object({
    kind: z.literal("progress"),
    stage: z.enum(weightsStages),
    progress: weightsProgressSchema,
  }),
  z.object({ kind: z.literal("warning"), detail: z.string() }),
  z.object({
    kind: z.literal("ready"),
    path: z.string().describe("The target, or the source's own file where nothing had to be written."),
    bytes: z.int(),
    sha256: z.string(),
    revision: z.string().nullable(),
  }),
  z.object({
    kind: z.literal("failed"),
    code: z.enum(errorCodes),
    detail: z.string(),
  }),
]);
export type PreparationMessage = z.infer<typeof preparationMessageSchema>;
