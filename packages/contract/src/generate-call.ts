// Our own call, `POST /api/v1/deployments/{d}/generate`: its words beside the parameters of `generate`.

import { z } from "zod";
import { finishReasons, usageSchema } from "./run.ts";

/** Most prompts of one call. */
export const mostPrompts = 128;

const row = z.object({
  generated_text: z.unknown().optional().describe("A text, or for messages the conversation."),
  generated_token_ids: z
    .array(z.int())
    .optional()
    .describe("In its place with return_tensors: prompt and new ids."),
  finish_reason: z.enum(finishReasons),
  generated_tokens: z.int(),
});
const scores = z.array(z.unknown()).describe("[step][row], of a list of prompts [prompt][step][row].");
const sequenceScore = z.number().nullable();
const beamRow = z.array(z.int());
const explained = z.record(
  z.string(),
  z.object({ value: z.unknown(), source: z.enum(["caller", "config", "model", "default"]) }),
);

export const generateAnswerSchema = z.object({
  run_id: z.uuid(),
  run_time_ms: z.number(),
  result: z
    .union([z.array(row), z.array(z.array(row))])
    .describe("An entry for each sequence; for a list of texts or chats a list for each."),
  sequences_scores: z
    .union([z.array(sequenceScore), z.array(z.array(sequenceScore))])
    .optional()
    .describe("Of several beams, with output_scores: one for each sequence; float32."),
  beam_indices: z
    .union([z.array(beamRow), z.array(z.array(beamRow))])
    .optional()
    .describe("Of several beams: for each new id of a sequence the beam it continued; -1 after its end."),
  scores: scores.optional(),
  logits: scores.optional(),
  usage: usageSchema,
  finish_reason: z.enum(finishReasons),
  seed: z.int().optional().describe("The one that was used, where tokens were drawn."),
  warnings: z.array(z.string()),
  effective_parameters: z.union([explained, z.array(explained)]).optional(),
});
