// Calls that generate nothing: scores and embeddings of given texts, as they look on the wire.

import { z } from "zod";
import { usageSchema } from "./run.ts";

export const poolings = ["mean", "last", "cls"] as const;
/** Most texts of one call for embeddings. */
export const mostInputs = 128;
/** Most alternatives for each place of a scored text. */
export const mostTopCount = 20;

const ids = z.array(z.int().nonnegative()).min(1);
const addSpecialTokens = z
  .boolean()
  .default(true)
  .describe("Let the tokenizer add what it begins a text with; for texts only.");

const adapter = z
  .string()
  .nullable()
  .optional()
  .describe("The name of a LoRA adapter of the deployment; null: the model as it is.");

export const embeddingsBodySchema = z.strictObject({
  input: z
    .union([
      z.string().min(1),
      ids,
      z
        .array(z.union([z.string().min(1), ids]))
        .min(1)
        .max(mostInputs),
    ])
    .describe("A text, its token ids, or a list of either."),
  pooling: z
    .enum(poolings)
    .default("mean")
    .describe("Of the last hidden states: their mean, the last, or the first."),
  normalize: z.boolean().default(true).describe("Whether each embedding has the length 1."),
  add_special_tokens: addSpecialTokens,
  adapter,
});

const answer = {
  run_id: z.uuid(),
  run_time_ms: z.number(),
  usage: usageSchema,
  warnings: z.array(z.string()),
};

export const embeddingsSchema = z.object({ ...answer, embeddings: z.array(z.array(z.number())) });
export type Embeddings = z.infer<typeof embeddingsSchema>;

export const scoreBodySchema = z.strictObject({
  prompt: z
    .string()
    .optional()
    .describe("Exactly one prompt is given; its ids are those that `generate` goes on from."),
  messages: z.array(z.object({ role: z.string(), content: z.string() })).optional(),
  input_ids: ids.optional(),
  top_n: z.int().min(0).max(mostTopCount).default(0).describe("The most probable tokens of each place, too."),
  add_special_tokens: addSpecialTokens,
  adapter,
});

/** Null is what JSON has for the logarithm of 0, and what the first token has, which nothing stands before. */
const logprob = z.number().nullable();

export const scoreSchema = z.object({
  ...answer,
  ids: z.array(z.int()),
  tokens: z
    .array(z.string())
    .describe("The text of each id alone; a part of a character is shown as \ufffd."),
  logprobs: z.array(logprob),
  top: z
    .array(z.array(z.object({ id: z.int(), logprob })).nullable())
    .optional()
    .describe("Where top_n is above 0, descending."),
  total_logprob: logprob.describe("The sum of logprobs."),
});
export type Score = z.infer<typeof scoreSchema>;
