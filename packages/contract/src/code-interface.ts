// What the code of a model takes and gives, as it says of itself once it is loaded.

import { z } from "zod";

const jsonSchema = z.record(z.string(), z.unknown());

export const codeSchemasSchema = z.object({
  /** JSON schema; null: the code declares none. */
  input: jsonSchema.nullable(),
  output: jsonSchema.nullable(),
  /** Whether `predict` is a generator. */
  /** Null: the code does not say. */
  supports_streaming: z.boolean().nullable(),
});
export type CodeSchemas = z.infer<typeof codeSchemasSchema>;

export const codeInterfaceSchema = z.object({
  /** Which it has: `predict`, `chat_completions` and so on. */
  methods: z.array(z.string()),
  /** Null: the code declares none, or more than is kept. */
  schemas: codeSchemasSchema.nullable(),
});
export type CodeInterface = z.infer<typeof codeInterfaceSchema>;

/** Schemas that are longer as JSON are not kept. */
export const mostSchemaCharacters = 256 * 1024;
