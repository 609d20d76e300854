// Filters of numbers, JSON and single values. Source: Jinja 3.1.6, filters.py; `tojson` transformers 5.23.0,
// utils/chat_template_utils.py.

import { strip } from "../python-text.ts";
import { getAttribute } from "./attributes.ts";
import { TemplateFailure } from "./failure.ts";
import { filter, type Filter } from "./filter-context.ts";
import { negate } from "./operators.ts";
import { asInt } from "./parameters.ts";
import { roundFloat } from "./rounding.ts";
import { toJson, toText } from "./show.ts";
import {
  DictView,
  Float,
  Generator,
  isDict,
  isInt,
  isList,
  isNumeric,
  isText,
  isTrue,
  kindOf,
  textOf,
  toInt,
  Tuple,
  Undefined,
  type Value,
} from "./values.ts";

const fallback = filter("default_value boolean", (value, [instead = "", boolean = false]) =>
  value instanceof Undefined || (isTrue(boolean) && !isTrue(value)) ? instead : value,
);

export const valueFilters: Readonly<Record<string, Filter>> = {
  default: fallback,
  d: fallback,
  abs: filter("", (value) => {
    if (!isNumeric(value)) throw new TemplateFailure(`bad operand type for abs(): '${kindOf(value)}'`);
    if (value instanceof Float) return new Float(Math.abs(value.value));
    return Number(value) < 0 ? negate(value, "-") : negate(value, "+");
  }),
  int: filter("default base", (value, [instead = 0, base]) => readInt(value, asInt(base, 10)) ?? instead),
  float: filter("default", (value, [instead = new Float(0)]) => {
    const read = readFloat(value);
    return read === null ? instead : new Float(read);
  }),
  round: filter("precision method", (value, [precision, method = "common"]) => {
    if (method !== "common" && method !== "ceil" && method !== "floor")
      throw new TemplateFailure("method must be common, ceil or floor");
    if (value instanceof Undefined) return value.fail();
    if (!isNumeric(value)) throw new TemplateFailure(`type ${kindOf(value)} doesn't define __round__ method`);
    const digits = asInt(precision, 0);
    if (method !== "common") {
      const scale = 10 ** digits;
      const size = (value instanceof Float ? value.value : Number(value)) * scale;
      return new Float((method === "ceil" ? Math.ceil(size) : Math.floor(size)) / scale);
    }
    if (value instanceof Float) return new Float(roundFloat(value.value, digits));
    return digits >= 0 ? toInt(BigInt(value)) : toInt(BigInt(roundFloat(Number(value), digits)));
  }),
  items: filter("", (value) => new Generator(itemsWhenAsked(value))),
  attr: filter("name", (value, [name], { budget }) => {
    const wanted = toText(name ?? null, budget);
    // A field of a dict is no attribute.
    const isField = isDict(value) && getAttribute(new Map(), wanted, budget) instanceof Undefined;
    return isField ? new Undefined(`no attribute '${wanted}'`) : getAttribute(value, wanted, budget);
  }),
  tojson: filter(
    "ensure_ascii indent separators sort_keys",
    (value, [ensureAscii = false, indent = null, separators = null, sortKeys = false], { budget }) => {
      const [itemSeparator, keySeparator] = separatorsOf(separators, indent !== null);
      const form = {
        ensureAscii: isTrue(ensureAscii),
        indent:
          indent === null
            ? null
            : isText(indent)
              ? textOf(indent)
              : " ".repeat(Math.max(0, Math.min(64, asInt(indent, 0)))),
        itemSeparator,
        keySeparator,
        sortKeys: isTrue(sortKeys),
      };
      return toJson(value, form, budget);
    },
  ),
};

function* itemsWhenAsked(value: Value): globalThis.Generator<Value, void, undefined> {
  if (value instanceof Undefined) return;
  if (!isDict(value)) throw new TemplateFailure("Can only get item pairs from a mapping.");
  yield* new DictView("items", value).items;
}

function separatorsOf(given: Value, isIndented: boolean): readonly [string, string] {
  if (given === null) return [isIndented ? "," : ", ", ": "];
  const parts = isList(given) ? given : given instanceof Tuple ? given.items : [];
  const [item, key] = parts;
  if (parts.length !== 2 || item === undefined || key === undefined || !isText(item) || !isText(key))
    throw new TemplateFailure("separators must be two texts");
  return [textOf(item), textOf(key)];
}

/** Python's `int`, and of texts with a fraction the whole part; null where there is none. */
function readInt(value: Value, base: number): Value | null {
  if (isInt(value) || typeof value === "boolean") return toInt(BigInt(value));
  if (value instanceof Undefined) return value.fail();
  if (isText(value)) {
    const read = readDigits(strip(textOf(value)), base);
    if (read !== null) return read;
  }
  const number = readFloat(value);
  return number === null || !Number.isFinite(number) ? null : toInt(BigInt(Math.trunc(number)));
}

const prefixes: Readonly<Record<number, string>> = { 2: "0b", 8: "0o", 16: "0x" };

function readDigits(text: string, base: number): Value | null {
  const [, sign = "", rest = ""] = /^([+-]?)([^]*)$/.exec(text.toLowerCase()) ?? [];
  const prefix = prefixes[base] ?? "";
  const digits = prefix !== "" && rest.startsWith(prefix) ? rest.slice(2) : rest;
  if (!/^[0-9a-z](?:_?[0-9a-z])*$/.test(digits) || base < 2 || base > 36) return null;
  let value = 0n;
  for (const digit of digits.replaceAll("_", "").slice(0, 4_300)) {
    const worth = parseInt(digit, 36);
    if (worth >= base) return null;
    value = value * BigInt(base) + BigInt(worth);
  }
  return toInt(sign === "-" ? -value : value);
}

/** Python's `float`; null where there is none. */
function readFloat(value: Value): number | null {
  if (value instanceof Float) return value.value;
  if (isInt(value) || typeof value === "boolean") return Number(value);
  if (value instanceof Undefined) return value.fail();
  if (!isText(value)) return null;
  const text = strip(textOf(value)).toLowerCase();
  const named = /^([+-]?)(?:(inf(?:inity)?)|(nan))$/.exec(text);
  if (named !== null) return named[2] === undefined ? NaN : named[1] === "-" ? -Infinity : Infinity;
  const isNumber = /^[+-]?(?:\d+(?:_\d+)*\.?(?:\d+(?:_\d+)*)?|\.\d+(?:_\d+)*)(?:e[+-]?\d+(?:_\d+)*)?$/.test(
    text,
  );
  return isNumber ? Number(text.replaceAll("_", "")) : null;
}
