// What the parameters of a macro stand for in a call of it. Source: Jinja 3.1.6, runtime.py, Macro.__call__.

import { TemplateFailure } from "./failure.ts";
import type { Scope } from "./scope.ts";
import type { Expression, MacroParts } from "./syntax.ts";
import { Tuple, Undefined, type Arguments, type Value } from "./values.ts";

/** Sets the parameters in the macro's own scope; a fallback may read those before it. */
export function bindMacro(
  macro: string | null,
  { parameters, reads }: MacroParts,
  { positional, named }: Arguments,
  scope: Scope,
  evaluate: (fallback: Expression) => Value,
): void {
  const left = new Map(named);
  const shown = macro === null ? "None" : `'${macro}'`;
  const given = parameters.map(({ name }, index): Value | undefined => {
    if (index < positional.length) return positional[index];
    const value = left.get(name);
    left.delete(name);
    return value;
  });
  const takesCaller = reads.has("caller") && !parameters.some(({ name }) => name === "caller");
  if (takesCaller) {
    scope.set("caller", left.get("caller") ?? new Undefined("No caller defined"));
    left.delete("caller");
  }
  const [unknown] = left.keys();
  if (reads.has("kwargs")) scope.set("kwargs", new Map<Value, Value>(left));
  else if (unknown !== undefined)
    throw new TemplateFailure(`macro ${shown} takes no keyword argument '${unknown}'`);
  if (reads.has("varargs")) scope.set("varargs", new Tuple(positional.slice(parameters.length)));
  else if (positional.length > parameters.length)
    throw new TemplateFailure(`macro ${shown} takes not more than ${parameters.length} argument(s)`);
  for (const [index, { name, fallback }] of parameters.entries()) {
    const absent = () =>
      fallback === null ? new Undefined(`parameter '${name}' was not provided`) : evaluate(fallback);
    scope.set(name, given[index] ?? (given[index] === null ? null : absent()));
  }
}
