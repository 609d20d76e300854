// In which form the generated sequences are returned. Knows no run.
// Source: transformers 5.23.0, pipelines/text_generation.py, _sanitize_parameters.

import type { BodyReader } from "./body-reader.ts";

/** The prompt and what is new, what is new alone, or the ids of both. */
export type ReturnForm = "full_text" | "new_text" | "ids";

/** As in the pipeline, `return_tensors` asks for ids whatever it says, unless it is null. */
export function takeReturnForm(reader: BodyReader): ReturnForm {
  const fullText = reader.takeBoolean("return_full_text");
  const tensors = reader.takeBoolean("return_tensors");
  const text = reader.takeBoolean("return_text");
  const exclude = (name: string, other: string, why: string) => {
    const message = `${name} and ${other} exclude each other: ${why} Give one of them.`;
    reader.refuse(`/${name}`, "invalid_parameter", message);
  };
  if (tensors !== null && fullText !== null)
    exclude("return_tensors", "return_full_text", "ids are always returned in full.");
  if (text !== null && fullText !== null)
    exclude("return_text", "return_full_text", "the latter asks for text as well.");
  if (text !== null && tensors !== null)
    exclude("return_text", "return_tensors", "either texts are returned or ids.");
  if (tensors !== null) return "ids";
  return (fullText ?? true) ? "full_text" : "new_text";
}
