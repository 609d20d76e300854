// Older and looser spellings of a config → the one that the schema knows. Values that mean nothing known are left for
// the schema to refuse. Source: spec of Truss in 2024 and now (spec_version 2.0 as a number, hf_cache, 3.11, …).

import { z } from "zod";
import { isRecord, unwrapped } from "./config-issues.ts";
import { pythonNumberText } from "./yaml-scalars.ts";
import type { YamlSource } from "./yaml-source.ts";

type NumberSource = YamlSource["numberSource"];

/** What became of the whole document: `renamed` are fields that now stand at another name, for their lines. */
export interface Coerced {
  readonly value: Record<string, unknown>;
  /** New name → name as written, of the top level. */
  readonly renamed: ReadonlyMap<string, string>;
}

/** @param root the document; not changed */
export function coerceConfig(
  root: Readonly<Record<string, unknown>>,
  schema: z.ZodObject,
  numberSource: NumberSource,
): Coerced {
  const renamed = new Map<string, string>();
  const top: Record<string, unknown> = { ...root };
  if (Object.hasOwn(top, "hf_cache") && isNothing(top["model_cache"])) {
    top["model_cache"] = top["hf_cache"];
    delete top["hf_cache"];
    renamed.set("model_cache", "hf_cache");
  }
  const asWritten: NumberSource = ([first, ...rest]) =>
    numberSource([renamed.get(String(first)) ?? first ?? "", ...rest]);
  const value = coerce(schema, top, [], asWritten) as Record<string, unknown>;
  // The number 3.10 would be 3.1.
  const version = numberSource(["python_version"]) ?? value["python_version"];
  if (typeof version === "string") value["python_version"] = pythonVersion(version);
  if (isRecord(value["environment_variables"])) {
    value["environment_variables"] = variables(value["environment_variables"]);
  }
  const { resources, runtime } = value;
  if (isRecord(resources) && isRecord(resources["accelerator"])) {
    value["resources"] = { ...resources, accelerator: acceleratorText(resources["accelerator"]) };
  }
  const asRead = value["resources"];
  if (isRecord(asRead) && asRead["use_gpu"] === !isNothing(asRead["accelerator"])) {
    // As Truss computes it: nothing is said by it.
    delete asRead["use_gpu"];
  }
  if (isRecord(runtime) && runtime["is_websocket_endpoint"] === true && isNothing(runtime["transport"])) {
    value["runtime"] = { ...runtime, transport: { kind: "websocket" } };
  }
  for (const method of authMethods(value)) {
    if (typeof method["auth_method"] === "string")
      method["auth_method"] = method["auth_method"].toUpperCase();
  }
  return { value, renamed };
}

/**
 * Where the schema wants text and a number is written, its text; where it wants a number and text is written that is
 * one, the number; members that are null are left out, as if they were not there.
 */
function coerce(
  given: z.core.$ZodType,
  value: unknown,
  path: readonly PropertyKey[],
  numberSource: NumberSource,
): unknown {
  const schema = unwrapped(given);
  if (schema instanceof z.ZodString && typeof value === "number") {
    const source = numberSource(path);
    return source === null ? String(value) : pythonNumberText(source);
  }
  if (schema instanceof z.ZodNumber && typeof value === "string" && /^\s*[-+]?\d+\s*$/.test(value))
    return Number(value);
  if (schema instanceof z.ZodArray && Array.isArray(value)) {
    return value.map((item, index) => coerce(schema.element, item, [...path, index], numberSource));
  }
  if (schema instanceof z.ZodObject && isRecord(value)) {
    const members = Object.entries(value).flatMap(([key, member]) => {
      if (member === null) return [];
      const inner: z.core.$ZodType | undefined = schema.shape[key];
      return [[key, inner === undefined ? member : coerce(inner, member, [...path, key], numberSource)]];
    });
    return Object.fromEntries(members);
  }
  if (schema instanceof z.ZodRecord && isRecord(value)) {
    const { valueType } = schema;
    return Object.fromEntries(
      Object.entries(value).map(([key, member]) => [
        key,
        coerce(valueType, member, [...path, key], numberSource),
      ]),
    );
  }
  return value;
}

/** `3.11`, `python3.11` and `py3.11` are `py311`. */
function pythonVersion(written: string): string {
  const version = /^(?:py|python)?3\.?(\d{1,2})$/.exec(written.trim())?.[1];
  return version === undefined ? written : `py3${version}`;
}

/** Truth values as Truss gives them to the process; null is no value. */
function variables(written: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(written).map(([name, value]) => [
      name,
      typeof value === "boolean" ? String(value) : value === null ? "None" : value,
    ]),
  );
}

/** `{accelerator: H100, count: 8}`, as Truss writes it inside, is `H100:8`. */
function acceleratorText(written: Readonly<Record<string, unknown>>): unknown {
  const { accelerator, count = 1, ...others } = written;
  if (typeof accelerator !== "string" || typeof count !== "number" || Object.keys(others).length > 0)
    return written;
  return count === 1 ? accelerator : `${accelerator}:${count}`;
}

function* authMethods(value: Readonly<Record<string, unknown>>): Generator<Record<string, unknown>> {
  const { base_image: image, weights } = value;
  if (isRecord(image) && isRecord(image["docker_auth"])) yield image["docker_auth"];
  for (const mounted of Array.isArray(weights) ? weights : []) {
    if (isRecord(mounted) && isRecord(mounted["auth"])) yield mounted["auth"];
  }
}

function isNothing(value: unknown): boolean {
  if (value === null || value === undefined) return true;
  return typeof value === "object" && Object.keys(value).length === 0;
}
