// What a filter may use beside its value, and the form of a filter.

import type { Budget } from "./budget.ts";
import { getItem } from "./attributes.ts";
import { itemsOf } from "./operators.ts";
import { isText, kindOf, textOf, Undefined, type Arguments, type Value } from "./values.ts";
import { TemplateFailure } from "./failure.ts";
import type { Bound } from "./parameters.ts";

export interface FilterContext {
  readonly budget: Budget;
  readonly filterNames: { has(name: string): boolean };
  filter(name: string, value: Value, args: Arguments): Value;
  test(name: string, value: Value, parameters: readonly Value[]): boolean;
}

export interface Filter {
  /** Beside the value; null: any number, read off `args`. */
  readonly parameters: readonly string[] | null;
  run(value: Value, parameters: Bound, context: FilterContext, args: Arguments): Value;
}

export const filter = (parameters: string, run: Filter["run"]): Filter => ({
  parameters: parameters === "" ? [] : parameters.split(" "),
  run,
});

export const openFilter = (run: Filter["run"]): Filter => ({ parameters: null, run });

export function itemsFor(value: Value, { budget }: FilterContext): Iterable<Value> {
  const items = itemsOf(value, budget);
  if (items === null) throw new TemplateFailure(`'${kindOf(value)}' object is not iterable`);
  return items;
}

export function listFor(value: Value, context: FilterContext): Value[] {
  const list: Value[] = [];
  for (const item of itemsFor(value, context)) {
    context.budget.spend(1 / 4);
    list.push(item);
  }
  return list;
}

/** Follows a path as `address.0.city`; null is the value itself. `fallback` stands for what is not there. */
export function attributeGetter(
  attribute: Value | undefined,
  { budget }: FilterContext,
  fallback?: Value,
): (value: Value) => Value {
  if ((attribute ?? null) === null) return (value) => value;
  const parts: Value[] =
    attribute !== undefined && isText(attribute)
      ? textOf(attribute)
          .split(".")
          .map((part) => (/^\d+$/.test(part) ? Number(part) : part))
      : [attribute ?? null];
  return (value) => {
    let reached = value;
    for (const part of parts) {
      reached = getItem(reached, part, budget);
      if (fallback !== undefined && fallback !== null && reached instanceof Undefined) reached = fallback;
    }
    return reached;
  };
}

/** A value as it is compared where the case of letters does not count. */
export function withoutCase(value: Value): Value {
  return isText(value) ? textOf(value).toLowerCase() : value;
}
