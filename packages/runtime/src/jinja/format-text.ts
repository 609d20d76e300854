// Texts with places for values: `'%s' % x` and `'{}'.format(x)`. Source: CPython 3.11, printf-style formatting and the
// format specification's small language.

import type { Budget } from "./budget.ts";
import { TemplateFailure } from "./failure.ts";
import { formatFloat, formatValue } from "./format-spec.ts";
import { escapeHtml } from "./operators.ts";
import { pad } from "./text-searches.ts";
import { repr, toText } from "./show.ts";
import {
  Float,
  isDict,
  isInt,
  isNumeric,
  isText,
  kindOf,
  SafeText,
  textOf,
  Tuple,
  Undefined,
  type Arguments,
  type Value,
} from "./values.ts";

/** How `{a.b}` and `{a[b]}` reach parts of a value. */
export interface Access {
  attribute(value: Value, name: string, budget: Budget): Value;
  item(value: Value, index: Value, budget: Budget): Value;
}

/** `str.format`. What goes into a safe text is escaped. */
export function formatText(
  text: string,
  args: Arguments,
  budget: Budget,
  isSafe: boolean,
  access: Access,
): string {
  budget.spendCharacters(text.length);
  let next = 0;
  const fieldOf = (name: string): Value => {
    const [, first = "", rest = ""] = /^([^.[]*)([^]*)$/.exec(name) ?? [];
    const key = first === "" ? String(next++) : first;
    let value = /^\d+$/.test(key) ? args.positional[Number(key)] : args.named.get(key);
    if (value === undefined) throw new TemplateFailure(`Nothing was given for the place {${key}}`);
    for (const [, attribute, item] of rest.matchAll(/\.([^.[]+)|\[([^\]]+)\]/g)) {
      if (attribute !== undefined) value = access.attribute(value, attribute, budget);
      else if (item !== undefined)
        value = access.item(value, /^\d+$/.test(item) ? Number(item) : item, budget);
    }
    return value;
  };
  const fill = (field: string): string => {
    const [, name = "", conversion = "", spec = ""] = /^([^!:]*)(?:!([rsa]))?(?::([^]*))?$/.exec(field) ?? [];
    const value = fieldOf(name);
    const shownSpec = spec.replace(/\{([^{}]*)\}/g, (_, inner: string) => toText(fieldOf(inner), budget));
    const shown =
      conversion === "r" ? repr(value, budget) : conversion === "" ? value : toText(value, budget);
    const made = formatValue(shown, shownSpec, budget);
    return isSafe && !(shown instanceof SafeText) ? escapeHtml(made) : made;
  };
  let made = "";
  let position = 0;
  while (position < text.length) {
    const character = text[position] ?? "";
    if (text.startsWith("{{", position) || text.startsWith("}}", position)) {
      made += character;
      position += 2;
    } else if (character === "{") {
      const end = closingBrace(text, position);
      made += fill(text.slice(position + 1, end));
      position = end + 1;
    } else if (character === "}") {
      throw new TemplateFailure("Single '}' encountered in format string");
    } else {
      made += character;
      position += 1;
    }
  }
  return made;
}

function closingBrace(text: string, start: number): number {
  let depth = 0;
  for (let index = start; index < text.length; index += 1) {
    if (text[index] === "{") depth += 1;
    if (text[index] === "}") depth -= 1;
    if (depth === 0) return index;
  }
  throw new TemplateFailure("expected '}' before end of string");
}

const place = /%(?:\(([^)]*)\))?([-+ #0]*)(\*|\d+)?(?:\.(\*|\d+))?[hlL]?(.|$)/gs;

/** `text % value`. */
export function formatPercent(text: string, value: Value, budget: Budget, isSafe: boolean): string {
  const values = value instanceof Tuple ? value.items : [value];
  let used = 0;
  let named = false;
  const take = (): Value => {
    const taken = values[used];
    used += 1;
    if (taken === undefined) throw new TemplateFailure("not enough arguments for format string");
    return taken;
  };
  const made = text.replace(
    place,
    (
      _,
      name: string | undefined,
      flags: string,
      width: string | undefined,
      precision: string | undefined,
      kind: string,
    ) => {
      if (kind === "%") return "%";
      named ||= name !== undefined;
      const widthGiven = width === "*" ? Number(take()) : Number(width ?? 0);
      const precisionGiven =
        precision === undefined ? null : precision === "*" ? Number(take()) : Number(precision);
      const given = name === undefined ? take() : fieldNamed(value, name);
      return percentValue(given, kind, flags, widthGiven, precisionGiven, budget, isSafe);
    },
  );
  budget.spendCharacters(made.length);
  if (used < values.length && !(isDict(value) || named)) {
    throw new TemplateFailure("not all arguments converted during string formatting");
  }
  return made;
}

function fieldNamed(value: Value, name: string): Value {
  if (!isDict(value)) throw new TemplateFailure("format requires a mapping");
  const field = value.get(name);
  if (field === undefined) throw new TemplateFailure(`KeyError: '${name}'`);
  return field;
}

function percentValue(
  value: Value,
  kind: string,
  flags: string,
  width: number,
  precision: number | null,
  budget: Budget,
  isSafe: boolean,
): string {
  const side = flags.includes("-") ? "right" : "left";
  if ("sra".includes(kind) && kind !== "") {
    const shown = kind === "s" ? toText(value, budget) : repr(value, budget);
    const whole = isSafe && !(value instanceof SafeText) ? escapeHtml(shown) : shown;
    const cut = precision === null ? whole : Array.from(whole).slice(0, precision).join("");
    return pad(cut, width, " ", side, budget);
  }
  if (kind === "c") return pad(characterOf(value), width, " ", side, budget);
  if (!isNumeric(value)) {
    if (value instanceof Undefined) value.fail();
    throw new TemplateFailure(`%${kind} format: a real number is required, not ${kindOf(value)}`);
  }
  const digits = percentDigits(value, kind, precision, flags.includes("#"), budget);
  const isNegative = digits.startsWith("-");
  const sign = isNegative ? "-" : flags.includes("+") ? "+" : flags.includes(" ") ? " " : "";
  const bare = isNegative ? digits.slice(1) : digits;
  if (flags.includes("0") && side === "left")
    return sign + pad(bare, width - sign.length, "0", "left", budget);
  return pad(sign + bare, width, " ", side, budget);
}

function percentDigits(
  value: number | bigint | boolean | Float,
  kind: string,
  precision: number | null,
  alternative: boolean,
  budget: Budget,
): string {
  if ("eEfFgG".includes(kind) && kind !== "")
    return formatFloat(
      value instanceof Float ? value.value : Number(value),
      kind,
      precision ?? 6,
      alternative,
    );
  if (value instanceof Float && "xXo".includes(kind))
    throw new TemplateFailure(`%${kind} format: an integer is required, not float`);
  const whole = value instanceof Float ? BigInt(Math.trunc(value.value)) : BigInt(value);
  const base = kind === "x" || kind === "X" ? 16 : kind === "o" ? 8 : 10;
  if (!"diuxXo".includes(kind) || kind === "")
    throw new TemplateFailure(`unsupported format character '${kind}'`);
  const digits = pad((whole < 0n ? -whole : whole).toString(base), precision ?? 0, "0", "left", budget);
  const prefix = alternative && base === 16 ? "0x" : alternative && base === 8 ? "0o" : "";
  const cased = kind === "X" ? (prefix + digits).toUpperCase() : prefix + digits;
  return whole < 0n ? `-${cased}` : cased;
}

function characterOf(value: Value): string {
  if (isText(value) && Array.from(textOf(value)).length === 1) return textOf(value);
  if (isInt(value) && value >= 0 && value <= 0x10ffff) return String.fromCodePoint(Number(value));
  throw new TemplateFailure("%c requires int or char");
}
