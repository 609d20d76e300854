// Which argument of a call is which parameter, as Python binds them.

import { TemplateFailure } from "./failure.ts";
import { Float, isInt, kindOf, Undefined, type Arguments, type Value } from "./values.ts";

/** Values by parameter, in their order; undefined where none was given. */
export type Bound = readonly (Value | undefined)[];

/**
 * `parameters` by name; those before a "/" cannot be named in a call. The first `required` must be given.
 * Fails with Python's complaint.
 */
export function bind(
  callee: string,
  parameters: readonly string[],
  { positional, named }: Arguments,
  required = 0,
): Bound {
  const bar = parameters.indexOf("/");
  const names = parameters.filter((name) => name !== "/");
  if (positional.length > names.length) {
    throw new TemplateFailure(
      `${callee}() takes at most ${names.length} arguments (${positional.length} given)`,
    );
  }
  const bound: (Value | undefined)[] = names.map((_, index) => positional[index]);
  for (const [name, value] of named) {
    const index = names.indexOf(name);
    if (index < 0 || index < bar)
      throw new TemplateFailure(`${callee}() got an unexpected argument '${name}'`);
    if (bound[index] !== undefined) throw new TemplateFailure(`${callee}() got two values for '${name}'`);
    bound[index] = value;
  }
  const missing = bound.findIndex((value, index) => value === undefined && index < required);
  if (missing >= 0) throw new TemplateFailure(`${callee}() misses its argument '${names[missing]}'`);
  return bound;
}

/** An integer argument; `absent` where it was not given. */
export function asInt<Absent>(value: Value | undefined, absent: Absent): number | Absent {
  if (value === undefined) return absent;
  if (isInt(value) || typeof value === "boolean") return Number(value);
  if (value instanceof Undefined) return value.fail();
  const kind = value instanceof Float ? "float" : kindOf(value);
  throw new TemplateFailure(`'${kind}' object cannot be interpreted as an integer`);
}
