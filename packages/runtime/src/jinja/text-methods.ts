// The methods of a str. Source: CPython 3.11, str.

import { strip, stripEnd, stripStart } from "../python-text.ts";
import type { Budget } from "./budget.ts";
import { TemplateFailure } from "./failure.ts";
import { formatText, type Access } from "./format-text.ts";
import { escapeHtml, iterate } from "./operators.ts";
import { asInt, bind, type Bound } from "./parameters.ts";
import { findText, pad, questions, replaceText, splitText, stripCharacters } from "./text-searches.ts";
import { capitalize, charactersOf, lengthOf, sliceBounds, sliceText, splitLines, titleCase } from "./text.ts";
import {
  Instance,
  isDict,
  isText,
  kindOf,
  SafeText,
  textOf,
  Tuple,
  type Arguments,
  type Value,
} from "./values.ts";

interface Method {
  readonly parameters: readonly string[];
  readonly required?: number;
  run(text: string, values: Bound, budget: Budget): Value;
}

type Run = Method["run"];

/** A method without parameters. */
const plain = (run: (text: string) => Value): Method => ({ parameters: [], run: (text) => run(text) });
const method = (parameters: string, required: number, run: Run): Method => ({
  parameters: parameters.split(" "),
  required,
  run,
});

const stripping = (whole: (text: string) => string, atStart: boolean, atEnd: boolean): Method =>
  method("chars /", 0, (text, [chars]) =>
    (chars ?? null) === null ? whole(text) : stripCharacters(text, asText(chars), atStart, atEnd),
  );

const splitting = (fromRight: boolean): Method =>
  method("sep maxsplit", 0, (text, [sep, most], budget) => {
    const parts = splitText(text, (sep ?? null) === null ? null : asText(sep), asInt(most, -1), fromRight);
    budget.spend(parts.length);
    return parts;
  });

const affix = (holds: (text: string, affix: string) => boolean): Method =>
  method("prefix start end /", 1, (text, [given, start, end]) => {
    const part = sliced(text, start, end);
    const candidates = given instanceof Tuple ? given.items : [given];
    return part !== null && candidates.some((candidate) => holds(part, asText(candidate)));
  });

const finding = (kind: "find" | "rfind" | "index" | "rindex"): Method =>
  method("sub start end /", 1, (text, [sub, start, end]) => {
    const length = lengthOf(text);
    const from = sliceBounds(length, asIntOrNull(start), null, null).start;
    const part = sliced(text, start, end);
    const found = part === null ? -1 : findText(part, asText(sub), kind.startsWith("r"));
    if (found >= 0) return found + from;
    if (kind.endsWith("index")) throw new TemplateFailure("substring not found");
    return -1;
  });

const padding = (side: "left" | "right" | "both"): Method =>
  method("width fillchar /", 1, (text, [width, fill], budget) =>
    pad(text, asInt(width, 0), fill === undefined ? " " : asText(fill), side, budget),
  );

const parting = (fromRight: boolean): Method =>
  method("sep /", 1, (text, [sep]) => {
    const separator = asText(sep);
    const at = fromRight ? text.lastIndexOf(separator) : text.indexOf(separator);
    if (at < 0) return new Tuple(fromRight ? ["", "", text] : [text, "", ""]);
    return new Tuple([text.slice(0, at), separator, text.slice(at + separator.length)]);
  });

const methods: Readonly<Record<string, Method>> = {
  strip: stripping(strip, true, true),
  lstrip: stripping(stripStart, true, false),
  rstrip: stripping(stripEnd, false, true),
  split: splitting(false),
  rsplit: splitting(true),
  startswith: affix((text, prefix) => text.startsWith(prefix)),
  endswith: affix((text, suffix) => text.endsWith(suffix)),
  find: finding("find"),
  rfind: finding("rfind"),
  index: finding("index"),
  rindex: finding("rindex"),
  center: padding("both"),
  ljust: padding("right"),
  rjust: padding("left"),
  partition: parting(false),
  rpartition: parting(true),
  upper: plain((text) => text.toUpperCase()),
  lower: plain((text) => text.toLowerCase()),
  casefold: plain((text) => text.toLowerCase().replaceAll("ß", "ss").replaceAll("ς", "σ")),
  title: plain(titleCase),
  capitalize: plain(capitalize),
  swapcase: plain((text) => Array.from(text, swapCase).join("")),
  splitlines: method("keepends", 0, (text, [keep]) => splitLines(text, asInt(keep, 0) !== 0)),
  replace: method("old new count /", 2, (text, [old, fresh, count], budget) =>
    replaceText(text, asText(old), asText(fresh), asInt(count, -1), budget),
  ),
  count: method("sub start end /", 1, (text, [sub, start, end]) => {
    const part = sliced(text, start, end);
    const searched = asText(sub);
    if (part === null) return 0;
    return searched === "" ? lengthOf(part) + 1 : part.split(searched).length - 1;
  }),
  join: method("iterable /", 1, (text, [values], budget) => {
    const parts = Array.from(iterate(values ?? null, budget), asText);
    budget.spendCharacters(parts.reduce((sum, part) => sum + part.length + text.length, 0));
    return parts.join(text);
  }),
  zfill: method("width /", 1, (text, [width], budget) => {
    const [, sign = "", digits = ""] = /^([+-]?)([^]*)$/.exec(text) ?? [];
    return sign + pad(digits, asInt(width, 0) - sign.length, "0", "left", budget);
  }),
  expandtabs: method("tabsize", 0, (text, [size], budget) => expandTabs(text, asInt(size, 8), budget)),
  removeprefix: method("prefix /", 1, (text, [prefix]) =>
    text.startsWith(asText(prefix)) ? text.slice(asText(prefix).length) : text,
  ),
  removesuffix: method("suffix /", 1, (text, [suffix]) =>
    asText(suffix) !== "" && text.endsWith(asText(suffix)) ? text.slice(0, -asText(suffix).length) : text,
  ),
  ...Object.fromEntries(Object.entries(questions).map(([name, ask]) => [name, plain(ask)])),
};

/** The method bound to its text, or undefined where str has none of that name. */
export function textMethod(
  value: string | SafeText,
  name: string,
  budget: Budget,
  access: Access,
): Value | undefined {
  const shown = `<built-in method ${name}>`;
  if (name === "format" || name === "format_map") {
    return new Instance({ shown, call: (args) => callFormat(value, name, args, budget, access) });
  }
  const found = Object.hasOwn(methods, name) ? methods[name] : undefined;
  if (found === undefined) return undefined;
  return new Instance({ shown, call: (args) => callMethod(value, name, found, args, budget) });
}

/** Methods whose second argument becomes a part of the text. */
const insertsSecond: ReadonlySet<string> = new Set(["replace", "center", "ljust", "rjust"]);

function callMethod(
  value: string | SafeText,
  name: string,
  method: Method,
  args: Arguments,
  budget: Budget,
): Value {
  budget.spendCharacters(textOf(value).length);
  const bound = bind(name, method.parameters, args, method.required);
  if (typeof value === "string") return method.run(value, bound, budget);
  // What a safe text is put together with is escaped, and what comes of it is safe.
  const escaped = bound.map((given, index) => {
    if (given === undefined) return given;
    if (name === "join")
      return Array.from(iterate(given, budget), (entry) => (isText(entry) ? escapeHtml(entry) : entry));
    return index === 1 && insertsSecond.has(name) && isText(given) ? escapeHtml(given) : given;
  });
  const made = method.run(value.text, escaped, budget);
  if (typeof made === "string") return new SafeText(made);
  return Array.isArray(made) ? (made as Value[]).map((one) => new SafeText(asText(one))) : made;
}

function callFormat(
  value: string | SafeText,
  name: "format" | "format_map",
  args: Arguments,
  budget: Budget,
  access: Access,
): Value {
  const isSafe = value instanceof SafeText;
  if (name === "format") {
    const text = formatText(textOf(value), args, budget, isSafe, access);
    return isSafe ? new SafeText(text) : text;
  }
  const [mapping] = bind(name, ["mapping", "/"], args, 1);
  if (mapping === undefined || !isDict(mapping)) throw new TemplateFailure("format_map() takes a mapping");
  const named = new Map([...mapping].map(([key, entry]) => [isText(key) ? textOf(key) : "", entry]));
  const text = formatText(textOf(value), { positional: [], named }, budget, isSafe, access);
  return isSafe ? new SafeText(text) : text;
}

/** A letter that is neither a capital nor a small one stays. */
function swapCase(character: string): string {
  const [lower, upper] = [character.toLowerCase(), character.toUpperCase()];
  if (character === upper) return lower;
  return character === lower ? upper : character;
}

export function asText(value: Value | undefined): string {
  if (value !== undefined && isText(value)) return textOf(value);
  throw new TemplateFailure(`expected str, got ${kindOf(value ?? null)}`);
}

function asIntOrNull(value: Value | undefined): number | null {
  return value === null ? null : asInt(value, null);
}

/** Null where the beginning is behind the end: not even an empty text is found there. */
function sliced(text: string, start: Value | undefined, end: Value | undefined): string | null {
  if (start === undefined && end === undefined) return text;
  const from = asIntOrNull(start);
  if (from !== null && from > charactersOf(text).length) return null;
  return sliceText(text, (length) => sliceBounds(length, from, asIntOrNull(end), null));
}

function expandTabs(text: string, size: number, budget: Budget): string {
  let column = 0;
  let expanded = "";
  for (const character of text) {
    if (character === "\t") {
      const width = size > 0 ? size - (column % size) : 0;
      budget.spendCharacters(width);
      expanded += " ".repeat(width);
      column += width;
    } else {
      expanded += character;
      column = character === "\n" || character === "\r" ? 0 : column + 1;
    }
  }
  return expanded;
}
