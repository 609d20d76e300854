// A run: one execution of predict, as it is kept and as the API shows it.

import { z } from "zod";
import { errorTable, type ErrorCode } from "./errors.ts";

export const runStatuses = ["queued", "running", "succeeded", "failed", "canceled", "expired"] as const;
export type RunStatus = (typeof runStatuses)[number];

/** The wire formats a predict call may come in. */
export const dialects = ["corral", "baseten", "cerebrium", "openai"] as const;
export type Dialect = (typeof dialects)[number];

/**
 * What ended a sequence: an end token, a stop string, its greatest length, `max_time`, someone from outside, a failure.
 * From the best to the worst.
 */
export const finishReasons = ["stop", "stop_sequence", "length", "time", "abort", "error"] as const;
export type FinishReason = (typeof finishReasons)[number];

export const usageSchema = z.object({
  prompt_tokens: z.int().nonnegative().describe("Tokens of the prompt, counted once per prompt."),
  cached_tokens: z.int().nonnegative().describe("Those of them taken from the prefix cache."),
  generated_tokens: z.int().nonnegative().describe("Tokens generated, over all sequences."),
});
export type Usage = z.infer<typeof usageSchema>;

export const timingsSchema = z.object({
  queue: z.number().nonnegative(),
  load: z.number().nonnegative(),
  prefill: z.number().nonnegative(),
  decode: z.number().nonnegative(),
  total: z.number().nonnegative(),
  admission: z
    .number()
    .nonnegative()
    .optional()
    .describe("From the call's arrival until its replica had all of it, without `load`."),
  slot: z.number().nonnegative().optional().describe("Of `queue` what it waited in its replica."),
  prepare: z.number().nonnegative().optional().describe("Prompts rendered, tokenized and checked."),
  answer: z.number().nonnegative().optional().describe("What is left: the answer being made."),
});
/** Milliseconds of each phase. `run_time_ms` is prefill + decode: no queue, no load. */
export type Timings = z.infer<typeof timingsSchema>;

const errorCodes = Object.keys(errorTable) as [ErrorCode, ...ErrorCode[]];

export const runErrorSchema = z.object({ code: z.enum(errorCodes), detail: z.string() });
export type RunError = z.infer<typeof runErrorSchema>;

export const runSchema = z.object({
  run_id: z.uuid(),
  status: z.enum(runStatuses),
  deployment_id: z.string(),
  dialect: z.enum(dialects),
  key_id: z.string().nullable().describe("The API key that called; null: the operator's own."),
  asynchronous: z.boolean().describe("It was answered with its id at once."),
  attempt: z.int().describe("How often a replica was given it from the queue; 0: it was never there."),
  stored: z.boolean().describe("False: `store: false` kept its output out of here."),
  output: z.unknown().describe("What the call was answered with; null until it succeeded."),
  error: runErrorSchema.nullable(),
  usage: usageSchema.nullable(),
  usage_complete: z.boolean().describe("False where a replica was lost and the last report counts."),
  timings_ms: timingsSchema.nullable(),
  created_at: z.iso.datetime(),
  finished_at: z.iso.datetime().nullable(),
});
export type Run = z.infer<typeof runSchema>;

/** What a run's wall time is made of, in the order it happens. */
export const runPhases = [
  "admission",
  "queue",
  "load",
  "prepare",
  "slot",
  "prefill",
  "decode",
  "answer",
  "commit",
] as const;
export type RunPhase = (typeof runPhases)[number];

export const runExplanationSchema = z.object({
  run_id: z.uuid(),
  status: z.enum(runStatuses),
  summary: z.string().describe("One sentence: where its time went, and what would change that."),
  wall_ms: z
    .number()
    .nullable()
    .describe("From the call's arrival until its end was written; null while it goes on."),
  phases: z
    .array(z.object({ name: z.enum(runPhases), ms: z.number().nonnegative(), share: z.number() }))
    .describe("They sum to `wall_ms`; empty where they are not known: it goes on, or its replica was lost."),
  time_to_first_token_ms: z.number().nullable(),
  prompt_tokens: z.int(),
  cached_tokens: z.int().describe("Of them taken from the prefix cache."),
  generated_tokens: z.int(),
  prefill_tokens_per_second: z.number().nullable().describe("Of those that were computed."),
  decode_tokens_per_second: z.number().nullable(),
  finish_reasons: z.array(z.enum(finishReasons)),
  attempt: z.int(),
  parameters: z
    .record(z.string(), z.unknown())
    .nullable()
    .describe("What somebody set, with who did; null where it is not kept."),
});
export type RunExplanation = z.infer<typeof runExplanationSchema>;
