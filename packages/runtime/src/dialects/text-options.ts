// The fields beside `prompt` that say how a text is tokenized, as the pipeline names them.
// Source: transformers 5.23.0, pipelines/text_generation.py, preprocess. Deviates beside messages and ids, where transformers
// passes over them: there they are refused.

import type { PromptSource } from "../prompt.ts";
import { pointerTo, show, type BodyReader } from "./body-reader.ts";

/** The sources with the options of the body. */
export function takeTextOptions(
  reader: BodyReader,
  sources: readonly PromptSource[] | null,
): readonly PromptSource[] | null {
  const prefix = takePrefix(reader);
  const addSpecialTokens = reader.takeBoolean("add_special_tokens");
  if (sources === null) return null;
  const options = {
    ...(prefix === null ? {} : { prefix }),
    ...(addSpecialTokens === null ? {} : { addSpecialTokens }),
  };
  if (sources.every(({ kind }) => kind === "text")) {
    return sources.map((source) => (source.kind === "text" ? { ...source, ...options } : source));
  }
  const given = { prefix, add_special_tokens: addSpecialTokens };
  for (const [name, value] of Object.entries(given)) {
    if (value === null) continue;
    const message = `${name} is for prompts that are texts; messages and input_ids bring all of theirs along. Leave it out.`;
    reader.refuse(pointerTo(name), "invalid_parameter", message);
  }
  return sources;
}

function takePrefix(reader: BodyReader): string | null {
  const value = reader.take("prefix") ?? null;
  if (value === null || typeof value === "string") return value;
  reader.refuse("/prefix", "invalid_parameter", `prefix is ${show(value)}; it must be a string.`);
  return null;
}
