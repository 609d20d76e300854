// Reading a JSON body so that a mistake is shown where it is: line, column and what is probably missing.

import { ServingError } from "./errors.ts";

/**
 * Parses a body as JSON (RFC 8259). Fails with `invalid_json`, naming line and column (from 1) and, where the
 * next token shows it, the remedy ("missing ',' before \"top_p\"").
 */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new ServingError("invalid_json", describeJsonMistake(text, cause), { cause });
  }
}

function describeJsonMistake(text: string, cause: unknown): string {
  if (text.trim() === "") return "The body is empty; a JSON object is expected.";
  const position = mistakePosition(text, cause);
  let line = 1;
  let lineStart = 0;
  for (;;) {
    const end = text.indexOf("\n", lineStart);
    if (end < 0 || end >= position) break;
    line += 1;
    lineStart = end + 1;
  }
  const column = position - lineStart + 1;
  return `The body is not valid JSON: line ${line}, column ${column}${hint(text, position)}.`;
}

/** V8 names a position in most messages; "Unexpected end" has none and means the end of the text. */
function mistakePosition(text: string, cause: unknown): number {
  const message = cause instanceof Error ? cause.message : "";
  const named = /at position (\d+)/.exec(message);
  if (named?.[1] !== undefined) return Number(named[1]);
  if (/end of JSON input/i.test(message)) return text.length;
  const token = /Unexpected token '?(.+?)'?, /.exec(message)?.[1];
  const found = token === undefined ? -1 : text.indexOf(token);
  return Math.max(0, found);
}

function hint(text: string, position: number): string {
  const rest = text.slice(position);
  if (rest.trim() === "") return ": the text ends too early, a closing bracket or quote is missing";
  const previous = text.slice(0, position).trimEnd().at(-1) ?? "";
  const key = /^("(?:[^"\\\n]|\\.)*")\s*:/.exec(rest)?.[1];
  if (key !== undefined && !"{,".includes(previous)) return `: missing ',' before ${key}`;
  if (/^[}\]]/.test(rest) && previous === ",") return ": a ',' stands before the closing bracket";
  if (rest.startsWith("'")) return ": strings are written with double quotes";
  if (/^(NaN|-?Infinity)/.test(rest)) return ": NaN and Infinity are not JSON";
  if (/^(True|False|None)\b/.test(rest)) return ": JSON writes true, false and null";
  return `: unexpected ${JSON.stringify(rest.slice(0, 1))}`;
}
