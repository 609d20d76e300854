// `POST /tokenize`: a text's token ids, as the tokenizer itself makes them: a BOS token that the text writes counts.

import { fieldsError, mostTexts } from "@corral/contract";
import { mostErrors, show, type BodyReader } from "../dialects/body-reader.ts";
import { refuseHugeText } from "../prompt-size.ts";
import type { PromptModel } from "../prompt.ts";
import { forEach } from "./several.ts";

export async function tokenize(reader: BodyReader, model: PromptModel): Promise<object> {
  const value = reader.take("text") ?? null;
  const isList = Array.isArray(value);
  const texts = readTexts(reader, value);
  const addSpecialTokens = reader.takeBoolean("add_special_tokens") ?? true;
  reader.refuseRest(["text", "add_special_tokens"]);
  if (reader.errors.length > 0) throw fieldsError(reader.errors);
  for (const [index, text] of texts.entries())
    refuseHugeText(model, text, isList ? `/text/${index}` : "/text");
  const ids = await forEach(texts, isList, (text) =>
    model.vocabulary.tokenize(text, { addSpecialTokens, parseSpecialTokens: true }),
  );
  return { ids };
}

function readTexts(reader: BodyReader, value: unknown): string[] {
  const refuse = (message: string) => {
    reader.refuse("/text", value === null ? "missing_parameter" : "invalid_parameter", message);
    return [];
  };
  if (value === null) return refuse("text is missing; give a text or a list of texts.");
  if (!Array.isArray(value)) return readText(reader, value, "text", "/text");
  if (value.length === 0 || value.length > mostTexts)
    return refuse(`text has ${value.length} texts; a list has 1 to ${mostTexts}.`);
  return (value as unknown[]).flatMap((text, index) =>
    reader.errors.length >= mostErrors ? [] : readText(reader, text, `text[${index}]`, `/text/${index}`),
  );
}

function readText(reader: BodyReader, value: unknown, name: string, pointer: string): string[] {
  if (typeof value === "string" && value.isWellFormed()) return [value];
  const message =
    typeof value === "string"
      ? `${name} has half of a surrogate pair, which is no character and has no tokens. Leave it out.`
      : `${name} is ${show(value)}; it must be a text.`;
  reader.refuse(pointer, "invalid_parameter", message);
  return [];
}
