// Whether a value may stand in a field of `generate` at all: kind and verdict, and the messages about one field.
// Ranges and rules over several fields: generation-ranges.ts, generation-conflicts.ts.

import type { ErrorCode, FieldError } from "./errors.ts";
import { generationConfigName, generationFields } from "./generate.ts";
import type { GenerationField } from "./generation-field.ts";
import { kindProblem } from "./generation-kinds.ts";
import { nearestName } from "./nearest-name.ts";

/** Where a value was found, for messages about it. */
export interface ValuePlace {
  /** JSON pointer (RFC 6901) into the caller's parameters. */
  readonly pointer: string;
  /** Follows the value in a message; "" for the caller's own. */
  readonly origin: string;
}

export type PlaceOf = (name: string) => ValuePlace;

/** Of a parameter that the caller named itself. */
export function callersPlace(name: string): ValuePlace {
  return { pointer: `/${escapeName(name)}`, origin: "" };
}

/** Of a field inside the caller's `generation_config`. */
export function configsPlace(name: string): ValuePlace {
  return { pointer: `/${generationConfigName}/${escapeName(name)}`, origin: "" };
}

export function modelsPlace(name: string): ValuePlace {
  return { ...callersPlace(name), origin: " (set by the model's defaults)" };
}

function escapeName(name: string): string {
  return name.replaceAll("~", "~0").replaceAll("/", "~1");
}

/** Whether the value says nothing that leaving it out would not. */
export function isNeutral(field: GenerationField, value: unknown): boolean {
  return value === null || field.neutral.some((neutral) => neutral === value);
}

/** Kind and verdict of a value; ranges come later. */
export function checkGenerationValue(
  field: GenerationField,
  value: unknown,
  place: ValuePlace = callersPlace(field.name),
): FieldError[] {
  if (isNeutral(field, value)) return [];
  const { name, verdict } = field;
  const expected = kindProblem(field, value);
  if (expected !== null) return [invalidValue(name, `be ${expected}`, value, place)];
  if (verdict !== "refused" || isOutOfRange(field, value)) return [];
  return [unsupportedValue(field, value, place)];
}

/** A number that its range refuses is a mistake before it is something that is not supported. */
function isOutOfRange({ range }: GenerationField, value: unknown): boolean {
  return range !== null && typeof value === "number" && !range.allows(value);
}

/** `must` completes "`name` must …". */
export function invalidValue(name: string, must: string, value: unknown, place: ValuePlace): FieldError {
  const message = `\`${name}\` must ${must}; given: ${describeValue(value)}${place.origin}.`;
  return { pointer: place.pointer, code: "invalid_parameter", message };
}

export function unsupportedValue(field: GenerationField, value: unknown, place: ValuePlace): FieldError {
  const remedy = field.remedy === "" ? "Leave it out." : field.remedy;
  const message = `\`${field.name}\` is not supported here; given: ${describeValue(value)}${place.origin}. ${remedy}`;
  return { pointer: place.pointer, code: "unsupported_parameter", message };
}

export function unknownParameter(name: string, value: unknown): FieldError {
  const hint = nameHint(name) ?? "See the list of parameters of `generate`.";
  return parameterError(
    name,
    "unknown_parameter",
    `\`${shortName(name)}\` is not a parameter of \`generate\`; given: ${describeValue(value)}. ${hint}`,
  );
}

/** A sentence with the known name that is nearest, or null where none is near. */
export function nameHint(name: string): string | null {
  const nearest = nearestName(name, knownNames);
  return nearest === null ? null : `Did you mean \`${nearest}\`?`;
}

const knownNames = [...generationFields.map((field) => field.name), generationConfigName];

export function shortName(name: string): string {
  return name.length > 100 ? `${name.slice(0, 100)}…` : name;
}

/** A rule that a value breaks: `must` completes "`name` must …". */
export function checkRange(
  name: string,
  value: number | null,
  isAllowed: (value: number) => boolean,
  must: string,
): FieldError[] {
  if (value === null || isAllowed(value)) return [];
  return [invalidValue(name, must, value, callersPlace(name))];
}

/** `name` becomes a JSON pointer (RFC 6901) into the caller's parameters. */
export function parameterError(name: string, code: ErrorCode, message: string): FieldError {
  return { pointer: callersPlace(name).pointer, code, message };
}

const longest = 60;
const deepest = 4;

/** The value as JSON, shortened; a number that JSON has no form for by its name. */
export function describeValue(value: unknown): string {
  const json = typeof value === "number" ? String(value) : (JSON.stringify(cut(value, 0)) ?? String(value));
  return json.length > longest ? `${json.slice(0, longest)}…` : json;
}

/** What will not be shown need not be written out first: a list may have millions of entries, or as many levels. */
function cut(value: unknown, depth: number): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (depth === deepest) return "…";
  if (Array.isArray(value)) return value.slice(0, longest).map((item) => cut(item, depth + 1));
  const entries = Object.entries(value).slice(0, longest);
  return Object.fromEntries(entries.map(([name, item]) => [name, cut(item, depth + 1)]));
}
