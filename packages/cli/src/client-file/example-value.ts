// A JSON schema → a value that fits it as far as its types say: what a first call may look like. Pure.

import type { Schema } from "./schema-type.ts";

/** Deeper ones are left empty; a schema may contain itself. */
const deepest = 8;

/** @param partOf the schema that a reference leads to; undefined: there is none */
export function exampleValue(schema: unknown, partOf: (reference: string) => unknown, depth = 0): unknown {
  if (typeof schema !== "object" || schema === null || depth > deepest) return null;
  const inner = (one: unknown) => exampleValue(one, partOf, depth + 1);
  const { $ref, default: given, examples, anyOf, oneOf, allOf } = schema as Schema;
  const { const: only, enum: words, type } = schema as Schema;
  if (typeof $ref === "string") return inner(partOf($ref));
  if (Array.isArray(examples) && examples.length > 0) return examples[0];
  if (given !== undefined) return given;
  if (only !== undefined) return only;
  if (Array.isArray(words)) return words[0] ?? null;
  for (const several of [anyOf, oneOf]) if (Array.isArray(several)) return inner(several[0]);
  if (Array.isArray(allOf)) {
    const values = allOf.map(inner);
    return values.every(isObject) ? Object.assign({}, ...values) : (values[0] ?? null);
  }
  return ofType(Array.isArray(type) ? type[0] : type, schema as Schema, inner);
}

function ofType(type: unknown, schema: Schema, inner: (one: unknown) => unknown): unknown {
  const { minimum, exclusiveMinimum, minLength, minItems, items, prefixItems, properties, required } = schema;
  switch (type) {
    case "string":
      return typeof minLength === "number" && minLength > 4
        ? "text".padEnd(Math.min(minLength, 200), "t")
        : "text";
    case "integer":
    case "number":
      if (typeof minimum === "number" && minimum > 1) return minimum;
      return typeof exclusiveMinimum === "number" && exclusiveMinimum >= 1 ? exclusiveMinimum + 1 : 1;
    case "boolean":
      return true;
    case "array":
      if (Array.isArray(prefixItems)) return prefixItems.map(inner);
      return typeof minItems === "number" && minItems > 0 ? [inner(items)] : [];
    case "null":
      return null;
    default: {
      const needed = new Set(Array.isArray(required) ? required : []);
      const fields = Object.entries(isObject(properties) ? properties : {});
      return Object.fromEntries(
        fields.filter(([name]) => needed.has(name)).map(([name, one]) => [name, inner(one)]),
      );
    }
  }
}

/** Of a deployment's document: what its author says a call looks like, else one made of its schema. */
export function exampleBody(document: Schema): unknown {
  const schemas = at(document, "components", "schemas");
  const [path] = Object.values(at(document, "paths"));
  const { example } = at(path, "post", "requestBody", "content", "application/json");
  if (example !== undefined) return example;
  return exampleValue(schemas["Input"], (reference) => {
    const [, name = ""] = /^#\/components\/schemas\/([^/]+)$/.exec(reference) ?? [];
    return Object.hasOwn(schemas, name) ? schemas[name] : undefined;
  });
}

function at(value: unknown, ...names: readonly string[]): Schema {
  let found = value;
  for (const name of names) found = isObject(found) ? found[name] : undefined;
  return isObject(found) ? found : {};
}

function isObject(value: unknown): value is Schema {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
