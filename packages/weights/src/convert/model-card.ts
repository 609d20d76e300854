// The front matter of a directory's README.md, which says who made a model of what. Source: llama.cpp v0.5.0,
// gguf-py/gguf/metadata.py, load_model_card.

import { parse } from "yaml";
import { isObject, readText, type JsonObject } from "./files.ts";

/** Empty where there is none that can be read: a model without a card is a model, too. */
export async function readModelCard(directory: string): Promise<JsonObject> {
  const content = await readText(directory, "README.md");
  const lines = content?.split("\n") ?? [];
  if (lines[0] !== "---") return {};
  const end = lines.indexOf("---", 1);
  const front = lines.slice(1, end < 0 ? lines.length : end);
  // The language "no" is not the word for false.
  const yaml = `${front.join("\n")}\n`.replaceAll("- no\n", '- "no"\n').replaceAll("\t", "  ");
  try {
    const card: unknown = parse(yaml, { version: "1.1", logLevel: "silent" });
    return isObject(card) ? card : {};
  } catch {
    return {};
  }
}
