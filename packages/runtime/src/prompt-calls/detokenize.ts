// `POST /detokenize`: the text of token ids.

import { fieldsError, mostDetokenizedIds, mostTexts } from "@corral/contract";
import { createDetokenizer } from "@corral/engine";
import { show, type BodyReader } from "../dialects/body-reader.ts";
import type { PromptModel } from "../prompt.ts";
import { forEach } from "./several.ts";

export async function detokenize(reader: BodyReader, model: PromptModel): Promise<object> {
  const { rows, isList } = readRows(reader, model.vocabulary.tokenCount);
  const skipSpecialTokens = reader.takeBoolean("skip_special_tokens") ?? false;
  reader.refuseRest(["ids", "skip_special_tokens"]);
  if (reader.errors.length > 0) throw fieldsError(reader.errors);
  const text = await forEach(rows, isList, (ids) => {
    const decoder = createDetokenizer(model.vocabulary, [], { skipSpecialTokens });
    return decoder.push(ids) + decoder.flush();
  });
  return { text };
}

function readRows(reader: BodyReader, tokenCount: number) {
  const none = { rows: [], isList: false };
  const value = reader.take("ids") ?? null;
  if (!Array.isArray(value)) {
    const code = value === null ? "missing_parameter" : "invalid_parameter";
    const given = value === null ? "missing" : show(value);
    reader.refuse("/ids", code, `ids is ${given}; it must be a list of token ids, or several of them.`);
    return none;
  }
  const isList = value.length > 0 && (value as unknown[]).every((row) => Array.isArray(row));
  const rows = (isList ? value : [value]) as unknown[][];
  const count = rows.reduce((sum, row) => sum + row.length, 0);
  if (rows.length > mostTexts || count > mostDetokenizedIds) {
    const message = `ids has ${count} ids in ${rows.length} lists; one call takes ${mostDetokenizedIds} in ${mostTexts} at most.`;
    reader.refuse("/ids", "invalid_parameter", message);
    return none;
  }
  for (const [index, row] of rows.entries())
    checkRow(reader, row, isList ? `/ids/${index}` : "/ids", tokenCount);
  return { rows: rows as number[][], isList };
}

function checkRow(reader: BodyReader, row: readonly unknown[], pointer: string, tokenCount: number): void {
  const wrong = row.findIndex((id) => !Number.isInteger(id) || Number(id) < 0 || Number(id) >= tokenCount);
  if (wrong < 0) return;
  const name = pointer.slice(1).replace(/\/(\d+)/, "[$1]");
  const message = `${name}[${wrong}] is ${show(row[wrong])}; ids are integers in [0, ${tokenCount}).`;
  reader.refuse(`${pointer}/${wrong}`, "invalid_parameter", message);
}
