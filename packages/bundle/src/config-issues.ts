// Mistakes of a config as sentences: what is wrong, what was given, what to write instead. Knows no file.

import {
  callersPlace,
  checkGenerationValue,
  checkModelValues,
  describeValue,
  findGenerationField,
  generationFields,
  isNeutral,
  nearestName,
  unsupportedValue,
  type ErrorCode,
  type RangeLimits,
} from "@corral/contract";
import { z } from "zod";

export type Report = (path: readonly PropertyKey[], code: ErrorCode, message: string) => void;

export const weightsNotNamed =
  "model_metadata.corral.weights is required. Write there a GGUF file of this directory (weights: model.gguf), " +
  "the absolute path of one, or a catalogue name (weights: corral-tiny-3); or write code that answers calls, in " +
  "model/model.py or model/model.ts.";

/** Turns an issue of `schema` at `path` into reports; an unknown key becomes one report each, with a hint. */
export function reportIssue(
  issue: z.core.$ZodIssue,
  schema: z.ZodType,
  value: unknown,
  path: readonly PropertyKey[],
  report: Report,
): void {
  const at = [...path, ...issue.path];
  if (issue.code === "unrecognized_keys") {
    const known = keysOf(schemaAt(schema, issue.path));
    for (const key of issue.keys) report([...at, key], "unknown_parameter", unknownKey(key, at, known));
    return;
  }
  if (issue.code === "invalid_key") {
    const wrong = issue.issues[0]?.message ?? "must be another";
    // The value stays out of the message: it may be a secret.
    report(at, "invalid_parameter", `${at.map(String).join(".")}: the name ${wrong}.`);
    return;
  }
  const given = issue.path.reduce<unknown>(
    (inner, step) => (isRecord(inner) || Array.isArray(inner) ? Reflect.get(inner, step) : undefined),
    value,
  );
  const name = at.map(String).join(".");
  if (given === undefined && issue.code === "invalid_type") {
    report(
      at,
      "missing_parameter",
      name === "model_metadata.corral.weights" ? weightsNotNamed : `${name} is required.`,
    );
    return;
  }
  // Where values may be secrets, none is shown.
  const shown = ["secrets", "environment_variables"].includes(String(at[0])) ? kindOf(given) : show(given);
  report(at, "invalid_parameter", `${name} is ${shown}; it ${expectation(issue)}.`);
}

export function unknownKey(key: string, parent: readonly PropertyKey[], known: readonly string[]): string {
  const near = nearestName(key, known);
  const name = [...parent, key].map(String).join(".");
  if (near !== null) return `${name} is not a known setting; did you mean ${JSON.stringify(near)}?`;
  if (parent.length > 0) return `${name} is not a known setting; known here: ${known.join(", ")}.`;
  return `${name} is not a known setting; Corral's own stand under model_metadata.corral, anything free under model_metadata.`;
}

/**
 * Every default must be a parameter that a call could carry, with a value that no call would be refused for. Ranges
 * of sampling count unless the defaults themselves switch sampling off: a caller may switch it on.
 */
export function checkDefaults(
  defaults: Readonly<Record<string, unknown>>,
  given: Pick<RangeLimits, "maxSequenceCount" | "caps">,
  report: (name: string, code: ErrorCode, message: string) => void,
): void {
  const known = generationFields.filter(({ verdict }) => verdict !== "refused").map(({ name }) => name);
  for (const [name, value] of Object.entries(defaults)) {
    const field = findGenerationField(name);
    if (field !== undefined) {
      // What has no effect is passed over in a model's file; written here, it was meant to have one.
      if (field.verdict !== "inert" || isNeutral(field, value)) continue;
      const wrong = checkGenerationValue(field, value);
      const found = wrong.length > 0 ? wrong : [unsupportedValue(field, value, callersPlace(name))];
      for (const { code, message } of found) report(name, code, `defaults: ${message}`);
    } else if (name === "max_tokens") {
      const isSound = value === null || (Number.isSafeInteger(value) && (value as number) >= 1);
      const message = `defaults: \`max_tokens\` must be an integer of at least 1; given: ${describeValue(value)}.`;
      if (!isSound) report(name, "invalid_parameter", message);
    } else {
      const near = nearestName(name, [...known, "max_tokens"]);
      const hint = near === null ? "remove it." : `did you mean ${JSON.stringify(near)}?`;
      report(name, "unknown_parameter", `defaults.${name} is not a parameter of generate; ${hint}`);
    }
  }
  const doSample = defaults["do_sample"] !== false;
  const limits = { ...given, doSample, vocabSize: null };
  for (const { pointer: at, code, message } of checkModelValues(defaults, limits)) {
    report(at.slice(1), code, `defaults: ${message}`);
  }
}

/** Reports numbers that JSON cannot carry (.inf, .nan). */
export function checkNumbers(value: unknown, path: readonly PropertyKey[], report: Report): void {
  if (typeof value === "number" && !Number.isFinite(value)) {
    report(
      path,
      "invalid_parameter",
      `${path.map(String).join(".")} is ${value}; it must be a finite number.`,
    );
  } else if (Array.isArray(value)) {
    for (const [index, item] of value.entries()) checkNumbers(item, [...path, index], report);
  } else if (isRecord(value)) {
    for (const [key, item] of Object.entries(value)) checkNumbers(item, [...path, key], report);
  }
}

/** JSON pointer (RFC 6901) of a path. */
export function pointer(path: readonly PropertyKey[]): string {
  return path.map((step) => `/${String(step).replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Of what stands at the path in a value of the schema. */
function schemaAt(schema: z.core.$ZodType, path: readonly PropertyKey[]): z.core.$ZodType {
  return path.reduce<z.core.$ZodType>((given, step) => {
    const outer = unwrapped(given);
    if (outer instanceof z.ZodObject)
      return (outer.shape[String(step)] as z.core.$ZodType | undefined) ?? outer;
    if (outer instanceof z.ZodArray) return outer.element;
    return outer instanceof z.ZodRecord ? outer.valueType : outer;
  }, schema);
}

/** Without what makes a field optional or gives it a default. */
export function unwrapped(schema: z.core.$ZodType): z.core.$ZodType {
  let inner = schema;
  while (
    inner instanceof z.ZodOptional ||
    inner instanceof z.ZodNullable ||
    inner instanceof z.ZodDefault ||
    inner instanceof z.ZodPrefault
  ) {
    inner = inner.unwrap();
  }
  return inner;
}

function keysOf(given: z.core.$ZodType): string[] {
  const schema = unwrapped(given);
  return schema instanceof z.ZodObject ? Object.keys(schema.shape) : [];
}

function expectation(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case "invalid_type":
      return `must be ${article(issue.expected)}`;
    case "invalid_value":
      return `must be ${issue.values.length > 1 ? "one of " : ""}${issue.values.map(String).join(", ")}`;
    case "too_small":
      if (issue.origin === "string") return "must not be empty";
      return `must be ${issue.inclusive === false ? "above" : "at least"} ${String(issue.minimum)}`;
    case "too_big":
      return `must be at most ${String(issue.maximum)}`;
    default:
      return /^(must|is|may) /.test(issue.message) ? issue.message : `is not valid (${issue.message})`;
  }
}

function article(type: string): string {
  const names: Record<string, string> = {
    int: "a whole number",
    record: "a map",
    object: "a map",
    array: "a list",
    boolean: "true or false",
  };
  return names[type] ?? `a ${type}`;
}

function kindOf(value: unknown): string {
  if (typeof value === "object") return show(value);
  return typeof value === "string" ? "a text" : `a ${typeof value}`;
}

/** A value as it may be printed: short, and never the inside of a structure (it could hold a secret). */
function show(value: unknown): string {
  if (Array.isArray(value)) return "a list";
  if (isRecord(value)) return "a map";
  const text = JSON.stringify(value) ?? "missing";
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}
