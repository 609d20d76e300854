// `snake_case`, as fields are written, ↔ `camelCase`, as they are in code. Keys of free maps (variables, secrets) are
// the author's and stay. Pure.

import { z } from "zod";
import { isRecord, unwrapped } from "./config-issues.ts";

export type CamelKey<Key extends string> = Key extends `${infer First}_${infer Rest}`
  ? `${First}${Capitalize<CamelKey<Rest>>}`
  : Key;

/** A value with the keys of its objects in camelCase; maps of free keys are left as they are. */
export type Camel<Value> = Value extends readonly (infer Item)[]
  ? readonly Camel<Item>[]
  : Value extends object
    ? string extends keyof Value
      ? Readonly<Value>
      : {
          readonly [Key in keyof Value as CamelKey<Key & string>]: Camel<Exclude<Value[Key], undefined>>;
        }
    : Value;

/** `value` is what `schema` gave; members that are undefined are left out. */
export function camelCase<Schema extends z.ZodType>(
  schema: Schema,
  value: z.output<Schema>,
): Camel<z.output<Schema>> {
  return convert(schema, value, camelKey, (key) => key) as Camel<z.output<Schema>>;
}

/** The way back. */
export function snakeCase(schema: z.ZodType, value: unknown): unknown {
  return convert(schema, value, (key) => key, camelKey);
}

/** `value`, in the schema's spelling, with null at every field of its objects that it has not. */
export function withNulls(given: z.core.$ZodType, value: unknown): unknown {
  const schema = unwrapped(given);
  if (schema instanceof z.ZodArray && Array.isArray(value)) {
    return value.map((item) => withNulls(schema.element, item));
  }
  if (!(schema instanceof z.ZodObject) || !isRecord(value)) return value ?? null;
  return Object.fromEntries(
    Object.entries<z.core.$ZodType>(schema.shape).map(([field, inner]) => [
      field,
      withNulls(inner, value[field]),
    ]),
  );
}

export function camelKey(key: string): string {
  return key.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase());
}

/** @param target the key in the result of a field of the schema; `source` its key in `value` */
function convert(
  given: z.core.$ZodType,
  value: unknown,
  target: (field: string) => string,
  source: (field: string) => string,
): unknown {
  const schema = unwrapped(given);
  if (schema instanceof z.ZodArray && Array.isArray(value)) {
    return value.map((item) => convert(schema.element, item, target, source));
  }
  if (!(schema instanceof z.ZodObject) || !isRecord(value)) return value;
  return Object.fromEntries(
    Object.keys(schema.shape).flatMap((field) => {
      const member = value[source(field)];
      const inner: z.core.$ZodType | undefined = schema.shape[field];
      if (member === undefined || inner === undefined) return [];
      return [[target(field), convert(inner, member, target, source)]];
    }),
  );
}
