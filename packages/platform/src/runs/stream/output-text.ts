// The text in a run's output, for runs whose text was not kept as it came: by the shapes that the families answer in.
// Pure.

import type { RunText } from "@corral/contract";

/** Null where the output is none of a text's: ids, scores, or whatever a model's code answers. */
export function textOfOutput(output: unknown): RunText | null {
  const texts = textsOf(output);
  if (texts === null) return null;
  return { at: 0, pieces: texts.map((text, sequence) => [0, sequence, text]) };
}

function textsOf(output: unknown): readonly string[] | null {
  if (typeof output === "string") return [output];
  if (Array.isArray(output)) {
    const rows = output.map((row) => textOfRow(row));
    return rows.every((row) => row !== null) && rows.length > 0 ? rows : null;
  }
  if (!isObject(output)) return null;
  const { output: one, outputs: several } = output;
  if (typeof one === "string") return [one];
  return Array.isArray(several) ? textsOf(several) : null;
}

/** A row of the pipeline's list, a choice of OpenAI's, or the text itself. */
function textOfRow(row: unknown): string | null {
  if (typeof row === "string") return row;
  if (!isObject(row)) return null;
  const { generated_text: generated, text, message } = row;
  if (typeof generated === "string") return generated;
  if (typeof text === "string") return text;
  return isObject(message) && typeof message["content"] === "string" ? message["content"] : null;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
