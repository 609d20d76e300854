// OpenAI's calls as far as Corral answers them: fields of the bodies, and the answers as their clients read them.
// Every parameter of `generate` may stand beside these fields.

import { z } from "zod";
import type { FieldError } from "./errors.ts";

/** Most strings under `stop`, as with OpenAI. */
export const mostStops = 4;
/** Most alternatives for each token: of a chat, and of a plain completion. */
export const mostChatAlternatives = 20;
export const mostCompletionAlternatives = 5;

/** `model` names a deployment, or one with an adapter: `deployment:adapter`. No other name has a colon. */
export function deploymentOfModel(model: string): string {
  return model.split(":", 1)[0] ?? "";
}

/** The name behind the colon; null: there is no colon. */
export function adapterOfModel(model: string): string | null {
  const colon = model.indexOf(":");
  return colon < 0 ? null : model.slice(colon + 1);
}

const flag = z.boolean().nullable().optional();
const label = z.string().nullable().optional().describe("Accepted; without effect here.");
const stop = z.union([z.string(), z.array(z.string()).max(mostStops)]).nullable();

/** What both calls take beside the parameters of `generate`. */
const generationFields = {
  model: z
    .string()
    .describe(
      "A model's or deployment's name or id, or an identifier of the catalogue; with `:` and the name of an adapter behind it, that adapter's.",
    ),
  n: z.int().min(1).nullable().optional().describe("How many choices; more than one need sampling."),
  temperature: z
    .number()
    .min(0)
    .max(2)
    .nullable()
    .optional()
    .describe("0: the likeliest token each time; above 0: sampling, unless do_sample says otherwise."),
  top_p: z.number().min(0).max(1).nullable().optional(),
  stop: stop.optional().describe("Where generation ends; left out of the text."),
  seed: z.int().min(0).nullable().optional(),
  logit_bias: z
    .record(z.string(), z.number().min(-100).max(100))
    .nullable()
    .optional()
    .describe("Token id → what is added to its logit."),
  max_tokens: z.int().min(1).nullable().optional().describe("Most new tokens of a choice."),
  stream: flag,
  stream_options: z.object({ include_usage: flag, include_obfuscation: flag }).nullable().optional(),
  store: flag.describe("false: the run keeps counts and times only. Else its output is kept, too."),
  user: label,
  metadata: z.record(z.string(), z.string()).nullable().optional().describe("Accepted; without effect here."),
  safety_identifier: label,
  prompt_cache_key: label,
  service_tier: z.enum(["auto", "default"]).nullable().optional(),
};

const textPart = z.object({ type: z.literal("text"), text: z.string() });

export const chatBodyFields = {
  messages: z
    .array(z.object({ role: z.string(), content: z.union([z.string(), z.array(textPart)]) }))
    .min(1)
    .describe("The role developer is read as system."),
  ...generationFields,
  logprobs: flag,
  top_logprobs: z.int().min(0).max(mostChatAlternatives).nullable().optional(),
  max_completion_tokens: z.int().min(1).nullable().optional().describe("Most new tokens of a choice."),
} satisfies z.ZodRawShape;

export const completionBodyFields = {
  prompt: z.union([z.string(), z.array(z.string()), z.array(z.int()), z.array(z.array(z.int()))]),
  ...generationFields,
  echo: flag.describe("Whether the prompt stands before each text."),
  logprobs: z.int().min(0).max(mostCompletionAlternatives).nullable().optional(),
  best_of: z.int().nullable().optional().describe("Nothing but n."),
} satisfies z.ZodRawShape;

const openAiUsageSchema = z.object({
  prompt_tokens: z.int(),
  completion_tokens: z.int(),
  total_tokens: z.int(),
  prompt_tokens_details: z.object({ cached_tokens: z.int() }),
});
export type OpenAiUsage = z.infer<typeof openAiUsageSchema>;

const finishReason = z.enum(["stop", "length"]);
export type OpenAiFinishReason = z.infer<typeof finishReason>;

const tokenFields = {
  token: z.string(),
  logprob: z.number().describe("-9999 for the logarithm of 0."),
  bytes: z.array(z.int()),
};
const chatLogprobsSchema = z.object({
  content: z
    .array(z.object({ ...tokenFields, top_logprobs: z.array(z.object(tokenFields)) }))
    .describe("Of the tokens that are part of the text, by the model's own logits."),
  refusal: z.null(),
});
const completionLogprobsSchema = z.object({
  tokens: z.array(z.string()),
  token_logprobs: z.array(z.number()),
  top_logprobs: z.array(z.record(z.string(), z.number())),
  text_offset: z.array(z.int()).describe("Characters of the text before each token."),
});

const answerFields = {
  id: z.string(),
  created: z.int().describe("Seconds since the epoch."),
  model: z.string().describe("As the call names it."),
  system_fingerprint: z.string().describe("The deployment: the same seed gives the same choices under it."),
  seed: z.int().optional().describe("Where tokens were drawn: the seed that was given, or chosen."),
  warnings: z.array(z.string()).optional(),
  usage: openAiUsageSchema,
};

export const chatCompletionSchema = z.object({
  object: z.literal("chat.completion"),
  ...answerFields,
  choices: z.array(
    z.object({
      index: z.int(),
      message: z.object({ role: z.literal("assistant"), content: z.string(), refusal: z.null() }),
      logprobs: chatLogprobsSchema.nullable(),
      finish_reason: finishReason,
    }),
  ),
});
export type ChatCompletion = z.infer<typeof chatCompletionSchema>;

export const completionSchema = z.object({
  object: z.literal("text_completion"),
  ...answerFields,
  choices: z.array(
    z.object({
      index: z.int(),
      text: z.string(),
      logprobs: completionLogprobsSchema.nullable(),
      finish_reason: finishReason,
    }),
  ),
});
export type Completion = z.infer<typeof completionSchema>;

/** OpenAI's list in `data`, Baseten's in `models`: clients of either read their own member. */
export const openAiModelSchema = z.object({
  id: z.string().describe("What `model` of a call may be."),
  object: z.literal("model"),
  parent: z.string().optional().describe("Of an adapter: the name of the model that it is of."),
  created: z.int(),
  owned_by: z.literal("corral"),
});
export type OpenAiModel = z.infer<typeof openAiModelSchema>;

const basetenModelFields = {
  name: z.string(),
  created_at: z.iso.datetime(),
  deployments_count: z.int(),
  production_deployment_id: z.string().nullable(),
  development_deployment_id: z.string().nullable(),
  instance_type_name: z.literal("local"),
  team_name: z.string(),
};
export const modelListSchema = z.object({
  object: z.literal("list"),
  data: z.array(openAiModelSchema),
  models: z.array(z.object({ id: z.string(), ...basetenModelFields })),
});
export const modelOfBothSchema = openAiModelSchema.extend(basetenModelFields);

/** Every error of these routes. */
export interface OpenAiErrorBody {
  readonly error: {
    readonly message: string;
    readonly type: "invalid_request_error" | "rate_limit_error" | "server_error";
    /** The first bad field as its path: `messages[0].role`. */
    readonly param: string | null;
    readonly code: string;
    /** Ours: every bad field. */
    readonly errors?: readonly FieldError[];
    readonly run_id?: string;
  };
}
