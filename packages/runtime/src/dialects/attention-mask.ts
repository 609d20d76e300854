// `attention_mask` beside `input_ids`: which ids of each row are padding on the left. Knows no model.
// Source: transformers 5.23.0, generation/utils.py, generate. Deviates where a zero stands between or after the ids that
// count: transformers goes on from there, with a warning at most; here it is refused.

import type { PromptSource } from "../prompt.ts";
import { pointerTo, show, type BodyReader } from "./body-reader.ts";
import type { PromptSources } from "./read-sources.ts";

const name = "attention_mask";

/** The sources with what the mask says; without a mask, padding is to be inferred. Beside other prompts it is refused. */
export function takeAttentionMask(
  reader: BodyReader,
  prompts: PromptSources | null,
): readonly PromptSource[] | null {
  const value = reader.take(name) ?? null;
  if (prompts === null) return null;
  const { sources, field, areListed } = prompts;
  if (field !== "input_ids") {
    if (value !== null) {
      const message = `${name} says which of input_ids count; it has no meaning for another kind of prompt. Leave it out.`;
      reader.refuse(pointerTo(name), "invalid_parameter", message);
    }
    return sources;
  }
  if (value === null) return sources.map((source) => withPadding(source, "inferred"));
  const rows: unknown[] = areListed && Array.isArray(value) ? value : [value];
  if (rows.length !== sources.length) {
    const message = `${name} has ${rows.length} rows and input_ids has ${sources.length}; each row has a mask of its own.`;
    reader.refuse(pointerTo(name), "invalid_parameter", message);
    return null;
  }
  return sources.map((source, index) => {
    const pointer = areListed ? `${pointerTo(name)}/${index}` : pointerTo(name);
    return withPadding(source, countPadding(reader, rows[index], source, pointer));
  });
}

function withPadding(source: PromptSource, padding: number | "inferred"): PromptSource {
  return source.kind === "ids" ? { ...source, padding } : source;
}

/** How many zeros the mask begins with; 0 where an error was noted. */
function countPadding(reader: BodyReader, mask: unknown, source: PromptSource, pointer: string): number {
  const refuse = (at: string, message: string) => {
    reader.refuse(at, "invalid_parameter", message);
    return 0;
  };
  const length = source.kind === "ids" ? source.ids.length : 0;
  if (!Array.isArray(mask)) return refuse(pointer, `${name} is ${show(mask)}; it must be a list of 0 and 1.`);
  const entries = mask as unknown[];
  if (entries.length !== length) {
    const message = `${name} has ${entries.length} entries for ${length} ids of input_ids; each id has one.`;
    return refuse(pointer, message);
  }
  const wrong = entries.findIndex((entry) => entry !== 0 && entry !== 1);
  if (wrong >= 0) {
    return refuse(`${pointer}/${wrong}`, `${name} holds ${show(entries[wrong])}; its entries are 0 or 1.`);
  }
  const first = entries.indexOf(1);
  if (first < 0)
    return refuse(pointer, `${name} has no 1: none of the ids would count. Give a 1 for each that does.`);
  const hole = entries.indexOf(0, first);
  if (hole < 0) return first;
  const message = `${name} has a 0 after a 1; only padding on the left is taken. Pad on the left, or leave out what does not count.`;
  return refuse(`${pointer}/${hole}`, message);
}
