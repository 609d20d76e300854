// Calls that look at a model's prompts and compute nothing: tokenize, detokenize and render, as they look on the wire.

import { z } from "zod";

/** Most texts, or lists of ids, of one call. */
export const mostTexts = 128;
/** Most ids that one call turns into text. */
export const mostDetokenizedIds = 1_000_000;

const ids = z.array(z.int().nonnegative());
const objects = z.array(z.record(z.string(), z.unknown()));

export const tokenizeBodySchema = z.strictObject({
  text: z
    .union([z.string(), z.array(z.string()).min(1).max(mostTexts)])
    .describe("A text, or several: then `ids` is a list for each."),
  add_special_tokens: z
    .boolean()
    .default(true)
    .describe("Let the tokenizer add what it begins a text with, as the BOS token."),
});
export const tokenizedSchema = z.object({ ids: z.union([ids, z.array(ids)]) });
export type Tokenized = z.infer<typeof tokenizedSchema>;

export const detokenizeBodySchema = z.strictObject({
  ids: z
    .union([ids, z.array(ids).min(1).max(mostTexts)])
    .describe("Token ids, or several lists of them: then `text` is a list."),
  skip_special_tokens: z.boolean().default(false).describe("Leave special tokens out of the text."),
});
export const detokenizedSchema = z.object({ text: z.union([z.string(), z.array(z.string())]) });
export type Detokenized = z.infer<typeof detokenizedSchema>;

const message = z.looseObject({
  role: z.string(),
  content: z
    .union([z.string(), z.array(z.looseObject({ type: z.literal("text"), text: z.string() }))])
    .nullable()
    .optional(),
});

export const renderBodySchema = z.strictObject({
  messages: z.array(message).min(1).optional().describe("A conversation; either it or prompt is given."),
  prompt: z.string().optional(),
  add_generation_prompt: z
    .boolean()
    .optional()
    .describe("End with what opens the assistant's turn. Default: unless the final message is continued."),
  continue_final_message: z
    .union([z.boolean(), z.string()])
    .optional()
    .describe(
      "Leave the final message open, or the field of it that is named. Default: where the assistant spoke last and add_generation_prompt is not given.",
    ),
  tools: objects.optional(),
  documents: objects.optional(),
  chat_template_kwargs: z
    .record(z.string(), z.unknown())
    .optional()
    .describe("Further variables of the template."),
});
export const renderedSchema = z.object({
  text: z.string(),
  ids: ids.describe("Those that `generate` goes on from."),
  warnings: z.array(z.string()).optional().describe("Where there are some."),
});
export type Rendered = z.infer<typeof renderedSchema>;
