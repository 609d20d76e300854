// A root field's arguments, each read as the type it must have.

import { ServingError } from "@corral/contract";
import type { GraphQlValue } from "./graphql-document.ts";

export type Arguments = Readonly<Record<string, GraphQlValue>>;

/** Null: not given. Fails with `invalid_parameter`. */
export function stringArgument(given: Arguments, name: string): string | null {
  const value = valueOf(given, name);
  if (value === null || typeof value === "string") return value;
  throw wrong(name, value, "a string");
}

export function booleanArgument(given: Arguments, name: string): boolean | null {
  const value = valueOf(given, name);
  if (value === null || typeof value === "boolean") return value;
  throw wrong(name, value, "true or false");
}

/** Null: not given. Fails with `invalid_parameter`. */
export function integerArgument(
  given: Arguments,
  name: string,
  { least, most }: { readonly least: number; readonly most: number },
): number | null {
  const value = valueOf(given, name);
  if (value === null) return null;
  if (typeof value === "number" && Number.isInteger(value) && value >= least && value <= most) return value;
  throw wrong(name, value, `a whole number from ${least} to ${most}`);
}

/** JSON text of an object, as `--labels` is sent. */
export function labelsArgument(given: Arguments, name: string): Readonly<Record<string, unknown>> | null {
  const text = stringArgument(given, name);
  if (text === null) return null;
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return { ...value };
  } catch {
    // Said below.
  }
  throw wrong(name, text, "the JSON of an object");
}

function valueOf(given: Arguments, name: string): GraphQlValue {
  return Object.hasOwn(given, name) ? (given[name] ?? null) : null;
}

function wrong(name: string, value: GraphQlValue, rule: string): ServingError {
  const shown = JSON.stringify(value).slice(0, 100);
  return new ServingError("invalid_parameter", `${name} is ${shown}; it must be ${rule}.`);
}
