// What `/openapi.json` says of a predict body: the documented fields and every accepted parameter of `generate`.
// For reading only; the replica checks bodies.

import {
  generationConfigName,
  generationFields,
  mostPrompts,
  type Dialect,
  type GenerationField,
} from "@corral/contract";
import { z } from "zod";

const ids = z.array(z.int());
const object = z.record(z.string(), z.unknown());
const kinds = {
  boolean: z.boolean(),
  integer: z.int(),
  number: z.number(),
  string: z.string(),
  texts: z.union([z.string(), z.array(z.string())]),
  ids: z.union([z.int(), ids]),
  "id list": ids,
  "id row": z.union([ids, z.array(ids).length(1)]),
  mask: z.union([ids, z.array(ids).length(1)]),
  "id lists": z.array(ids),
  words: z.array(z.union([ids, z.array(ids)])),
  biases: z.array(z.tuple([ids, z.number()])),
  decay: z.tuple([z.int(), z.number()]),
  watermark: object,
  object,
  other: z.unknown(),
} as const satisfies Record<Exclude<GenerationField["kind"], "word" | "boolean or word">, z.ZodType>;

function schemaOf({ kind, words }: GenerationField): z.ZodType {
  switch (kind) {
    case "word":
      return z.enum(words);
    case "boolean or word":
      return z.union([z.boolean(), z.enum(words)]);
    default:
      return kinds[kind];
  }
}

const messages = z.array(z.object({ role: z.string(), content: z.string() }));

function severalOf<One extends z.ZodType>(one: One) {
  return z.union([one, z.array(one).max(mostPrompts)]);
}

const flag = z.boolean().optional();
/** What one family of routes has and the others have not. */
const ownFields: Readonly<Record<Exclude<Dialect, "openai">, z.ZodRawShape>> = {
  corral: {
    prompt: severalOf(z.string())
      .optional()
      .describe("One text, or a list. Exactly one prompt field is given."),
    messages: severalOf(messages).optional().describe("One chat, or a list."),
    input_ids: severalOf(z.array(z.int())).optional().describe("The ids of one prompt, or a list of rows."),
    attention_mask: severalOf(z.array(z.union([z.literal(0), z.literal(1)])))
      .optional()
      .describe("Beside input_ids: 0 for padding on the left."),
    prefix: z.string().optional().describe("Stands before each text for the model alone."),
    add_special_tokens: flag,
    add_generation_prompt: flag,
    continue_final_message: z.union([z.boolean(), z.string()]).optional(),
    tools: z.array(object).optional(),
    documents: z.array(object).optional(),
    chat_template_kwargs: object.optional(),
    negative_prompt: z.string().optional().describe("The text of negative_prompt_ids."),
    stop_sequence: kinds.texts.optional().describe("The pipeline's word for stop_strings."),
    handle_long_generation: z.literal("hole").optional(),
    return_tensors: flag.describe("Ids instead of texts, unless it is null."),
    return_text: flag,
    skip_special_tokens: flag,
    clean_up_tokenization_spaces: flag.describe("Has no effect."),
    explain: flag.describe("Adds effective_parameters to the answer."),
    stream: flag,
  },
  baseten: { max_tokens: z.int().optional(), stream: flag },
  cerebrium: {},
};

/** A body of one of OpenAI's calls: its own fields over the parameters of `generate`. */
export function openAiBodySchema(fields: z.ZodRawShape): z.ZodType {
  return z.looseObject({ ...parameters(), [generationConfigName]: object.nullable().optional(), ...fields });
}

export function predictBodySchema(dialect: Exclude<Dialect, "openai">): z.ZodType {
  return z.looseObject({
    prompt: z.string().optional().describe("Exactly one prompt is given."),
    messages: messages.optional(),
    ...parameters(),
    [generationConfigName]: object.nullable().optional(),
    return_full_text: flag,
    ...ownFields[dialect],
  });
}

function parameters(): z.ZodRawShape {
  return Object.fromEntries(
    generationFields
      .filter(({ verdict }) => verdict !== "refused")
      .map((field) => [field.name, schemaOf(field).nullable().optional()]),
  );
}
