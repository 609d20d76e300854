// `a.b`, `a["b"]` and `a[1:2]`: fields, methods and items of values, as Jinja's sandbox gives them.
// Source: Jinja 3.1.6, sandbox.py, getattr and getitem of ImmutableSandboxedEnvironment.

import type { Budget } from "./budget.ts";
import { TemplateFailure } from "./failure.ts";
import { areEqual, dictOf, iterate, keyOf } from "./operators.ts";
import { asInt, bind } from "./parameters.ts";
import { sliceBounds, sliceItems, sliceText } from "./text.ts";
import { textMethod } from "./text-methods.ts";
import {
  DictView,
  Float,
  Generator,
  Instance,
  isDict,
  isInt,
  isList,
  isText,
  kindOf,
  Range,
  SafeText,
  textOf,
  toInt,
  Tuple,
  Undefined,
  type Arguments,
  type Dict,
  type Value,
} from "./values.ts";

/** The attribute of that name, else the item. */
export function getAttribute(value: Value, name: string, budget: Budget): Value {
  budget.spend(1);
  if (value instanceof Undefined) return value.fail();
  const attribute = ownAttribute(value, name, budget);
  if (attribute !== undefined) return attribute;
  // None is a value like any other: only what is not there is undefined.
  const item = isDict(value) ? value.get(name) : undefined;
  return item === undefined ? absent(value, name) : item;
}

/** The item of that index or key, else the attribute of that name. */
export function getItem(value: Value, index: Value, budget: Budget): Value {
  budget.spend(1);
  if (value instanceof Undefined) return value.fail();
  const item = ownItem(value, index, budget);
  if (item !== undefined) return item;
  const name = isText(index) ? textOf(index) : null;
  const attribute = name === null ? undefined : ownAttribute(value, name, budget);
  return attribute === undefined ? absent(value, name ?? "an item") : attribute;
}

function absent(value: Value, name: string): Undefined {
  return new Undefined(`'${kindOf(value)} object' has no attribute '${name}'`);
}

function ownItem(value: Value, index: Value, budget: Budget): Value | undefined {
  if (isDict(value)) return isList(index) || isDict(index) ? undefined : value.get(keyOf(index));
  if (!isInt(index) && typeof index !== "boolean") return undefined;
  const at = Number(index);
  if (isText(value)) {
    const text = textOf(value);
    budget.spendCharacters(text.length);
    const character = sliceText(text, (length) => {
      const from = at < 0 ? at + length : at;
      return { start: from, step: 1, count: from >= 0 && from < length ? 1 : 0 };
    });
    if (character === "") return undefined;
    return typeof value === "string" ? character : new SafeText(character);
  }
  if (value instanceof Range) {
    const from = at < 0 ? at + value.length : at;
    return from >= 0 && from < value.length ? value.start + from * value.step : undefined;
  }
  return rowOf(value, budget)?.at(at);
}

/** The items of what has an order and can be indexed. */
function rowOf(value: Value, budget: Budget): readonly Value[] | null {
  if (isList(value)) return value;
  if (value instanceof Range) budget.spend(value.length / 8);
  return value instanceof Tuple || value instanceof Range ? value.items : null;
}

/** `value[start:stop:step]`. Fails where the value has no order or a bound is no int. */
export function getSlice(value: Value, bounds: readonly (Value | undefined)[], budget: Budget): Value {
  if (value instanceof Undefined) return value.fail();
  const row = isText(value) ? null : rowOf(value, budget);
  if (row === null && !isText(value))
    throw new TemplateFailure(`'${kindOf(value)}' object is not subscriptable`);
  const [start = null, stop = null, step = null] = bounds.map((bound) =>
    bound === null ? null : asInt(bound, null),
  );
  const within = (length: number) => {
    budget.spend(length / 32);
    return sliceBounds(length, start, stop, step);
  };
  if (isText(value)) {
    const text = sliceText(textOf(value), within);
    return typeof value === "string" ? text : new SafeText(text);
  }
  if (value instanceof Range) {
    const at = within(value.length);
    const first = value.start + at.start * value.step;
    const every = value.step * at.step;
    return new Range(first, first + at.count * every, every);
  }
  const items = sliceItems(row ?? [], within(row?.length ?? 0));
  return value instanceof Tuple ? new Tuple(items) : items;
}

const access = { attribute: getAttribute, item: getItem };

/** Methods and attributes of Python's own classes. Those that change a value are not there, as in the sandbox. */
function ownAttribute(value: Value, name: string, budget: Budget): Value | undefined {
  if (isText(value)) return textMethod(value, name, budget, access);
  if (isDict(value)) return dictMethod(value, name, budget);
  if (value instanceof Instance) return value.attribute(name);
  if (value instanceof Tuple && value.names.includes(name)) return value.items[value.names.indexOf(name)];
  const row = rowOf(value, budget);
  if (row !== null) return rowMethod(value, row, name, budget);
  if (value instanceof Float) return floatAttribute(value, name);
  if (isInt(value) || typeof value === "boolean") return intAttribute(BigInt(value), name);
  return value instanceof DictView && name === "mapping" ? value.dict : undefined;
}

function methodOf(name: string, call: (args: Arguments) => Value): Instance {
  return new Instance({ shown: `<built-in method ${name}>`, call });
}

function dictMethod(dict: Dict, name: string, budget: Budget): Value | undefined {
  switch (name) {
    case "get":
      return methodOf(name, (args) => {
        const [key = null, fallback = null] = bind("get", ["key", "default", "/"], args, 1);
        const value = dict.get(keyOf(key));
        return value === undefined ? fallback : value;
      });
    case "items":
    case "keys":
    case "values":
      return methodOf(name, (args) => {
        bind(name, [], args);
        return new DictView(name, dict);
      });
    case "copy":
      return methodOf(name, () => dict);
    case "fromkeys":
      return methodOf(name, (args) => dictFromKeys(args, budget));
    default:
      return undefined;
  }
}

/** `dict.fromkeys`. */
export function dictFromKeys(args: Arguments, budget: Budget): Dict {
  const [keys = null, value = null] = bind("fromkeys", ["iterable", "value", "/"], args, 1);
  return dictOf(Array.from(iterate(keys, budget), (key) => [key, value] as const));
}

function rowMethod(value: Value, row: readonly Value[], name: string, budget: Budget): Value | undefined {
  switch (name) {
    case "count":
      return methodOf(name, (args) => {
        const [searched = null] = bind("count", ["value", "/"], args, 1);
        return row.filter((entry) => areEqual(entry, searched, budget)).length;
      });
    case "index":
      return methodOf(name, (args) => {
        const [searched = null, start, stop] = bind("index", ["value", "start", "stop", "/"], args, 1);
        const { start: first, count } = sliceBounds(row.length, asInt(start, null), asInt(stop, null), null);
        const found = row.findIndex(
          (entry, index) => index >= first && index < first + count && areEqual(entry, searched, budget),
        );
        if (found < 0) throw new TemplateFailure("The value is not in the list");
        return found;
      });
    case "copy":
      return isList(value) ? methodOf(name, () => value) : undefined;
    default:
      if (value instanceof Range && (name === "start" || name === "stop" || name === "step"))
        return value[name];
      return undefined;
  }
}

function floatAttribute({ value }: Float, name: string): Value | undefined {
  if (name === "is_integer") return methodOf(name, () => Number.isInteger(value));
  if (name === "real" || name === "imag") return new Float(name === "real" ? value : 0);
  return undefined;
}

function intAttribute(value: bigint, name: string): Value | undefined {
  if (name === "real" || name === "numerator") return toInt(value);
  if (name === "imag") return 0;
  if (name === "denominator") return 1;
  const size = value < 0n ? -value : value;
  if (name === "bit_length") return methodOf(name, () => (size === 0n ? 0 : size.toString(2).length));
  return undefined;
}

/** Calls what is a function, a macro or a method. */
export function callValue(value: Value, args: Arguments): Value {
  if (value instanceof Undefined) return value.fail();
  if (value instanceof Instance && value.call !== null) return value.call(args);
  const kind = value instanceof Generator ? "generator" : kindOf(value);
  throw new TemplateFailure(`'${kind}' object is not callable`);
}
