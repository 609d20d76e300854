// What `/openapi.json` says of a predict body: the documented fields and every implemented parameter of `generate`.
// For reading only; the replica checks bodies.

import { generationFields, mostPrompts, type Dialect, type GenerationField } from "@corral/contract";
import { z } from "zod";

const kinds = {
  boolean: z.boolean(),
  integer: z.int(),
  number: z.number(),
  string: z.string(),
  ids: z.union([z.int(), z.array(z.int())]),
  other: z.unknown(),
} as const satisfies Record<GenerationField["kind"], z.ZodType>;

const messages = z.array(z.object({ role: z.string(), content: z.string() }));

function severalOf<One extends z.ZodType>(one: One) {
  return z.union([one, z.array(one).max(mostPrompts)]);
}

const flag = z.boolean().optional();
/** What one family of routes has and the others have not. */
const ownFields: Readonly<Record<Dialect, z.ZodRawShape>> = {
  corral: {
    prompt: severalOf(z.string())
      .optional()
      .describe("One text, or a list. Exactly one prompt field is given."),
    messages: severalOf(messages).optional().describe("One chat, or a list."),
    input_ids: severalOf(z.array(z.int())).optional().describe("The ids of one prompt, or a list of rows."),
    return_tensors: flag,
    skip_special_tokens: flag,
    stream: flag,
  },
  baseten: { max_tokens: z.int().optional(), stream: flag },
  cerebrium: {},
};

export function predictBodySchema(dialect: Dialect): z.ZodType {
  const parameters = Object.fromEntries(
    generationFields
      .filter(({ implemented }) => implemented)
      .map(({ name, kind }) => [name, kinds[kind].nullable().optional()]),
  );
  return z.looseObject({
    prompt: z.string().optional().describe("Exactly one prompt is given."),
    messages: messages.optional(),
    ...parameters,
    return_full_text: flag,
    ...ownFields[dialect],
  });
}
