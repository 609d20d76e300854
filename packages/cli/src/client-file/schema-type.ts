// JSON schemas → TypeScript types, as text. What a type cannot say, such as a range or a pattern, is left to the server, which
// checks it. Pure.
//
// Generators of types for OpenAPI build on the compiler API of TypeScript 5, which TypeScript 7 has not.

export type Schema = Readonly<Record<string, unknown>>;

/** Deeper ones are `unknown`. */
const deepest = 64;

/**
 * The type's name for a reference; null: there is none. `isDirect`: the type would be that one, or a union or intersection
 * with it, which TypeScript refuses of a type that leads to itself; in fields and lists it does not.
 */
export type NameOf = (reference: string, isDirect: boolean) => string | null;

export function schemaType(schema: unknown, nameOf: NameOf, depth = 0): string {
  if (schema === false) return "never";
  if (!isSchema(schema) || depth > deepest) return "unknown";
  const inner = (one: unknown) => schemaType(one, nameOf, depth + 1);
  const below = (one: unknown) => schemaType(one, (reference) => nameOf(reference, false), depth + 1);
  const { $ref, anyOf, oneOf, allOf } = schema;
  if (typeof $ref === "string") return nameOf($ref, true) ?? "unknown";
  if ("const" in schema) return literal(schema["const"]);
  if (Array.isArray(schema["enum"])) return union(schema["enum"].map(literal));
  const parts: string[] = [];
  for (const several of [anyOf, oneOf])
    if (Array.isArray(several) && several.length > 0) parts.push(union(several.map(inner)));
  if (Array.isArray(allOf) && allOf.length > 0) parts.push(...allOf.map(inner));
  const own = ownType(schema, below);
  if (own !== null) parts.push(own);
  const known = [...new Set(parts)].filter((part) => part !== "unknown");
  if (known.length === 0) return "unknown";
  return known.length === 1 ? (known[0] ?? "unknown") : known.map(grouped).join(" & ");
}

function ownType(schema: Schema, inner: (one: unknown) => string): string | null {
  const { type } = schema;
  if (Array.isArray(type)) return union(type.map((one) => ofType(one, schema, inner) ?? "unknown"));
  if (type === undefined && isSchema(schema["properties"])) return ofType("object", schema, inner);
  return ofType(type, schema, inner);
}

function ofType(type: unknown, schema: Schema, inner: (one: unknown) => string): string | null {
  switch (type) {
    case "string":
      return "string";
    case "number":
    case "integer":
      return "number";
    case "boolean":
      return "boolean";
    case "null":
      return "null";
    case "array":
      return arrayType(schema, inner);
    case "object":
      return objectType(schema, inner);
    default:
      return null;
  }
}

function arrayType({ items, prefixItems, minItems }: Schema, inner: (one: unknown) => string): string {
  if (!Array.isArray(prefixItems)) return `readonly ${grouped(inner(items))}[]`;
  const least = typeof minItems === "number" ? minItems : prefixItems.length;
  const places = prefixItems.map((one, place) => `${grouped(inner(one))}${place < least ? "" : "?"}`);
  // What a tuple does not close may go on.
  if (items !== false && items !== undefined) places.push(`...${grouped(inner(items))}[]`);
  return `readonly [${places.join(", ")}]`;
}

function objectType(schema: Schema, inner: (one: unknown) => string): string {
  const { properties, required, additionalProperties } = schema;
  const needed = new Set(Array.isArray(required) ? required : []);
  const fields = Object.entries(isSchema(properties) ? properties : {}).map(([name, value]) => {
    const text = isSchema(value) && typeof value["description"] === "string" ? value["description"] : null;
    const comment = text === null ? "" : `/** ${text.replaceAll("*/", "* /").replace(/\s+/g, " ")} */ `;
    return `${comment}readonly ${JSON.stringify(name)}${needed.has(name) ? "" : "?"}: ${inner(value)}`;
  });
  const rest = isSchema(additionalProperties) ? inner(additionalProperties) : "unknown";
  if (fields.length === 0)
    return additionalProperties === false ? "Record<string, never>" : `{ readonly [name: string]: ${rest} }`;
  // Beside known fields others have no type of their own that would not be theirs as well.
  if (isSchema(additionalProperties)) fields.push("readonly [name: string]: unknown");
  return `{ ${fields.join("; ")} }`;
}

function literal(value: unknown): string {
  return typeof value === "object" && value !== null ? "unknown" : (JSON.stringify(value) ?? "unknown");
}

function union(types: readonly string[]): string {
  const all = [...new Set(types)];
  if (all.includes("unknown")) return "unknown";
  return all.length === 0 ? "never" : all.map(grouped).join(" | ");
}

/** Safe as a part of another type. */
function grouped(type: string): string {
  return /^(\w+|"[^"\\]*"|\{[^{}]*\})$/.test(type) ? type : `(${type})`;
}

function isSchema(value: unknown): value is Schema {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
