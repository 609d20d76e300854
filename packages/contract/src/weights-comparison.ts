// What the process that compares weights is started with and what it prints: the same model in several types, by what
// it costs and by what it still says.

import { z } from "zod";
import { errorTable, type ErrorCode } from "./errors.ts";

export const comparisonConfigSchema = z.object({
  /** The first is the one that the others are compared with. */
  files: z.array(z.object({ name: z.string().min(1), path: z.string().min(1) })).min(1),
  /** A text in UTF-8. */
  text: z.string().min(1),
  /** Most tokens of the text, from its beginning. */
  token_count: z.int().positive(),
  /** Tokens that are scored together; the first of each window stands behind the tokenizer's own first token. */
  window_length: z.int().min(2),
  thread_count: z.int().positive(),
  /** How often each speed is measured, in turns. */
  round_count: z.int().positive(),
});
export type ComparisonConfig = z.infer<typeof comparisonConfigSchema>;

export const comparedWeightsSchema = z.object({
  name: z.string(),
  path: z.string(),
  bytes: z.int(),
  file_type: z.string().nullable(),
  prompt_tokens_per_second: z.number().describe("Median of the rounds."),
  decode_tokens_per_second: z.number().describe("Of one sequence, median of the rounds."),
  perplexity: z.number(),
  perplexity_change: z.number().describe("Against the first file, as a part of its perplexity: 0.01 is 1 %."),
  perplexity_change_error: z.number().describe("Standard error of it over the tokens of the text."),
  same_best_token: z
    .number()
    .describe("Part of the places where the most probable token is the first file's."),
});
export type ComparedWeights = z.infer<typeof comparedWeightsSchema>;

const errorCodes = Object.keys(errorTable) as [ErrorCode, ...ErrorCode[]];

/** One line of JSON on its standard output. */
export const comparisonMessageSchema = z.discriminatedUnion("kind", [
  z.object({
    kind: z.literal("progress"),
    done_tokens: z.int().nonnegative(),
    total_tokens: z.int().positive(),
  }),
  z.object({
    kind: z.literal("compared"),
    /** How many tokens were scored, and how many the text has. */
    scored_tokens: z.int(),
    text_tokens: z.int(),
    files: z.array(comparedWeightsSchema),
  }),
  z.object({ kind: z.literal("failed"), code: z.enum(errorCodes), detail: z.string() }),
]);
export type ComparisonMessage = z.infer<typeof comparisonMessageSchema>;
