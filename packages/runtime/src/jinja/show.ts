// Values as texts: what `{{ }}` writes, Python's `repr`, and `json.dumps`.

import type { Budget } from "./budget.ts";
import { TemplateFailure } from "./failure.ts";
import {
  DictView,
  Float,
  Generator,
  isDict,
  isInt,
  isList,
  isText,
  kindOf,
  Range,
  textOf,
  Tuple,
  Undefined,
  type Value,
} from "./values.ts";

/** Python's `str`. */
export function toText(value: Value, budget: Budget): string {
  if (isText(value)) return textOf(value);
  return value instanceof Undefined ? "" : repr(value, budget);
}

/** Python's `repr`. */
export function repr(value: Value, budget: Budget): string {
  budget.spend(1);
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (isInt(value)) return intText(value);
  if (value instanceof Float) return floatText(value.value);
  if (isText(value)) {
    budget.spendCharacters(textOf(value).length);
    return typeof value === "string" ? quote(value) : `Markup(${quote(value.text)})`;
  }
  if (value instanceof Undefined) return "Undefined";
  const all = (values: readonly Value[]) => values.map((entry) => repr(entry, budget)).join(", ");
  if (isList(value)) return `[${all(value)}]`;
  if (value instanceof Tuple) {
    return value.items.length === 1 ? `(${all(value.items)},)` : `(${all(value.items)})`;
  }
  if (isDict(value)) {
    const entries = [...value].map(([key, entry]) => `${repr(key, budget)}: ${repr(entry, budget)}`);
    return `{${entries.join(", ")}}`;
  }
  if (value instanceof DictView) return `dict_${value.kind}([${all(value.items)}])`;
  if (value instanceof Range) {
    const { start, stop, step } = value;
    return step === 1 ? `range(${start}, ${stop})` : `range(${start}, ${stop}, ${step})`;
  }
  return value instanceof Generator ? "<generator object>" : value.shown;
}

/** Python writes no int of more digits. */
const longestInt = 10n ** 4_300n;

function intText(value: number | bigint): string {
  if (typeof value === "bigint" && (value >= longestInt || value <= -longestInt))
    throw new TemplateFailure("Exceeds the limit (4300 digits) for integer string conversion");
  return String(value);
}

/** Python's `repr` of a float: the fewest digits that read back, with an exponent below 1e-4 and from 1e16. */
export function floatText(value: number): string {
  if (Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return value > 0 ? "inf" : "-inf";
  if (Object.is(value, -0)) return "-0.0";
  const [digits = "", exponentText = "0"] = value.toExponential().split("e");
  const exponent = Number(exponentText);
  if (exponent < -4 || exponent >= 16) {
    const sign = exponent < 0 ? "-" : "+";
    return `${digits}e${sign}${String(Math.abs(exponent)).padStart(2, "0")}`;
  }
  const plain = value.toFixed(Math.max(0, digits.replace(/^-?\d\.?/, "").length - exponent));
  return plain.includes(".") ? plain : `${plain}.0`;
}

const unprintable = /[\p{C}\p{Z}]/u;
const shortEscapes: Readonly<Record<string, string>> = {
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
  "\\": "\\\\",
};

function quote(text: string): string {
  const mark = text.includes("'") && !text.includes('"') ? '"' : "'";
  let shown = "";
  for (const character of text) {
    const short = shortEscapes[character];
    if (short !== undefined) shown += short;
    else if (character === mark) shown += `\\${mark}`;
    else if (character !== " " && unprintable.test(character)) shown += escapeCode(character);
    else shown += character;
  }
  return mark + shown + mark;
}

function escapeCode(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  const hex = code.toString(16);
  if (code < 0x100) return `\\x${hex.padStart(2, "0")}`;
  return code < 0x10000 ? `\\u${hex.padStart(4, "0")}` : `\\U${hex.padStart(8, "0")}`;
}

export interface JsonForm {
  readonly ensureAscii: boolean;
  /** What one level is indented by; null: everything on one line. */
  readonly indent: string | null;
  readonly itemSeparator: string;
  readonly keySeparator: string;
  readonly sortKeys: boolean;
}

/** Python's `json.dumps`. */
export function toJson(value: Value, form: JsonForm, budget: Budget, depth = 0): string {
  budget.spend(1);
  if (value === null) return "null";
  if (typeof value === "boolean") return String(value);
  if (isInt(value)) return intText(value);
  if (value instanceof Float) return jsonFloat(value.value);
  if (isText(value)) {
    budget.spendCharacters(textOf(value).length);
    return jsonText(textOf(value), form.ensureAscii);
  }
  const nested = (entry: Value) => toJson(entry, form, budget, depth + 1);
  if (isList(value)) return enclose("[", value.map(nested), "]", form, depth, budget);
  if (value instanceof Tuple) return enclose("[", value.items.map(nested), "]", form, depth, budget);
  if (!isDict(value)) throw new TemplateFailure(`Object of type ${kindOf(value)} is not JSON serializable`);
  let entries = [...value];
  if (form.sortKeys) entries = sortedByKey(entries);
  const shown = entries.map(
    ([key, entry]) => jsonText(jsonKey(key), form.ensureAscii) + form.keySeparator + nested(entry),
  );
  return enclose("{", shown, "}", form, depth, budget);
}

function sortedByKey(entries: readonly (readonly [Value, Value])[]): [Value, Value][] {
  const keyed = entries.map(([key, entry]) => {
    if (typeof key !== "string") throw new TemplateFailure("Keys that are not all texts cannot be sorted.");
    return [key, entry] as [string, Value];
  });
  return keyed.toSorted(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
}

function enclose(
  open: string,
  entries: readonly string[],
  close: string,
  { indent, itemSeparator }: JsonForm,
  depth: number,
  budget: Budget,
): string {
  if (entries.length === 0 || indent === null) return open + entries.join(itemSeparator) + close;
  budget.spendCharacters(indent.length * (depth + 1) * entries.length);
  const inner = `\n${indent.repeat(depth + 1)}`;
  return open + inner + entries.join(itemSeparator + inner) + `\n${indent.repeat(depth)}` + close;
}

function jsonFloat(value: number): string {
  if (Number.isFinite(value)) return floatText(value);
  return Number.isNaN(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity";
}

function jsonKey(key: Value): string {
  if (isText(key)) return textOf(key);
  if (key === null) return "null";
  if (typeof key === "boolean" || isInt(key)) return String(key);
  if (key instanceof Float) return jsonFloat(key.value);
  throw new TemplateFailure(`keys must be str, int, float, bool or None, not ${kindOf(key)}`);
}

const jsonEscapes: Readonly<Record<string, string>> = {
  '"': '\\"',
  "\\": "\\\\",
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
  "\f": "\\f",
  "\b": "\\b",
};

function jsonText(text: string, ensureAscii: boolean): string {
  // oxlint-disable-next-line no-control-regex
  const odd = ensureAscii ? /["\\\x00-\x1f]|[^\x00-\x7e]/g : /["\\\x00-\x1f]/g;
  const escaped = text.replace(
    odd,
    (character) => jsonEscapes[character] ?? `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
  return `"${escaped}"`;
}
