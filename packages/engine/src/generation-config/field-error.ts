// How a bad parameter is reported.

import type { ErrorCode, FieldError } from "@corral/contract";

/** `name` becomes a JSON pointer (RFC 6901) into the caller's parameters. */
export function fieldError(name: string, code: ErrorCode, message: string): FieldError {
  const pointer = `/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`;
  return { pointer, code, message };
}

const longest = 60;

/** The value as JSON, shortened; a number that JSON has no form for by its name. */
export function describeValue(value: unknown): string {
  // What will not be shown need not be written out first: a list may have millions of entries.
  const shown = Array.isArray(value) ? value.slice(0, longest) : value;
  const json = typeof value === "number" ? String(value) : (JSON.stringify(shown) ?? String(value));
  return json.length > longest ? `${json.slice(0, longest)}…` : json;
}
