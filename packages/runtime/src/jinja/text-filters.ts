// Filters that make texts. Source: Jinja 3.1.6, filters.py.

import { callValue, getAttribute } from "./attributes.ts";
import type { Budget } from "./budget.ts";
import { TemplateFailure } from "./failure.ts";
import { filter, itemsFor, openFilter, type Filter, type FilterContext } from "./filter-context.ts";
import { formatFloat } from "./format-spec.ts";
import { formatPercent } from "./format-text.ts";
import { combine, escapeHtml } from "./operators.ts";
import { asInt, type Bound } from "./parameters.ts";
import { replaceText, splitText } from "./text-searches.ts";
import { capitalize, lengthOf, repeatText, splitLines } from "./text.ts";
import { toText } from "./show.ts";
import { isDict, isTrue, isText, SafeText, textOf, Tuple, Undefined, type Value } from "./values.ts";

/** A safe text stays one: `soft_str`. */
function softText(value: Value, { budget }: FilterContext): string | SafeText {
  const text = isText(value) ? value : toText(value, budget);
  budget.spendCharacters(textOf(text).length);
  return text;
}

function charged(value: Value, budget: Budget): string {
  const text = toText(value, budget);
  budget.spendCharacters(text.length);
  return text;
}

function callMethod(value: Value, name: string, positional: readonly Value[], context: FilterContext): Value {
  const text = softText(value, context);
  return callValue(getAttribute(text, name, context.budget), { positional, named: new Map() });
}

const methodFilter = (name: string): Filter =>
  filter("", (value, _, context) => callMethod(value, name, [], context));

const escaping = filter("", (value, _, { budget }) =>
  value instanceof SafeText ? value : new SafeText(escapeHtml(charged(value, budget))),
);

export const textFilters: Readonly<Record<string, Filter>> = {
  upper: methodFilter("upper"),
  lower: methodFilter("lower"),
  capitalize: filter("", (value, _, context) => {
    const text = softText(value, context);
    return typeof text === "string" ? capitalize(text) : new SafeText(capitalize(text.text));
  }),
  title: filter("", (value, _, context) => {
    const parts = textOf(softText(value, context)).split(/([-\s({[<]+)/);
    return parts
      .map((part) => {
        const [first = ""] = part;
        return first.toUpperCase() + part.slice(first.length).toLowerCase();
      })
      .join("");
  }),
  trim: filter("chars", (value, [chars], context) => callMethod(value, "strip", [chars ?? null], context)),
  center: filter("width", (value, [width], context) => callMethod(value, "center", [width ?? 80], context)),
  string: filter("", (value, _, context) => softText(value, context)),
  safe: filter("", (value, _, { budget }) =>
    value instanceof SafeText ? value : new SafeText(toText(value, budget)),
  ),
  escape: escaping,
  e: escaping,
  forceescape: filter("", (value, _, { budget }) => new SafeText(escapeHtml(charged(value, budget)))),
  striptags: filter("", (value, _, { budget }) => stripTags(charged(value, budget), budget)),
  replace: filter("old new count", (value, [old, fresh, count], { budget }) =>
    replaceText(
      toText(value, budget),
      toText(given(old, "old"), budget),
      toText(given(fresh, "new"), budget),
      count === null ? -1 : asInt(count, -1),
      budget,
    ),
  ),
  format: openFilter((value, _, context, { positional, named }) => {
    if (positional.length > 0 && named.size > 0)
      throw new TemplateFailure("can't handle positional and keyword arguments at the same time");
    const text = softText(value, context);
    const values = named.size > 0 ? new Map<Value, Value>(named) : new Tuple(positional);
    const made = formatPercent(textOf(text), values, context.budget, text instanceof SafeText);
    return text instanceof SafeText ? new SafeText(made) : made;
  }),
  indent: filter("width first blank", indent),
  truncate: filter("length killwords end leeway", truncate),
  wordcount: filter(
    "",
    (value, _, context) => (textOf(softText(value, context)).match(/[\p{L}\p{N}_]+/gu) ?? []).length,
  ),
  urlencode: filter("", urlEncode),
  xmlattr: filter("autospace", (value, [autospace], context) => {
    if (!isDict(value)) throw new TemplateFailure("xmlattr takes a mapping");
    const shown = [...value]
      .filter(([, entry]) => entry !== null && !(entry instanceof Undefined))
      .map(([key, entry]) => {
        const name = toText(key, context.budget);
        if (/[\s/>=]/.test(name)) throw new TemplateFailure("Invalid character in attribute name");
        return `${escapeHtml(name)}="${escapeHtml(softText(entry, context))}"`;
      })
      .join(" ");
    return shown !== "" && isTrue(autospace ?? true) ? ` ${shown}` : shown;
  }),
  filesizeformat: filter("binary", (value, [binary], context) => {
    const bytes = context.filter("float", value, { positional: [], named: new Map() });
    return fileSize(Number(toText(bytes, context.budget)), isTrue(binary ?? false));
  }),
};

function given(value: Value | undefined, name: string): Value {
  if (value === undefined) throw new TemplateFailure(`The argument '${name}' is missing`);
  return value;
}

function indent(
  value: Value,
  [width = 4, first = false, blank = false]: Bound,
  context: FilterContext,
): Value {
  const { budget } = context;
  if (value instanceof Undefined) value.fail();
  if (!isText(value)) combine("+", value, "\n", budget);
  const text = isText(value) ? textOf(value) : "";
  const indention = isText(width) ? textOf(width) : repeatText(" ", asInt(width, 4), budget);
  const lines = splitLines(`${text}\n`, false);
  budget.spendCharacters(text.length + indention.length * lines.length);
  const indented = lines.map((line, index) =>
    index === 0 || (line === "" && !isTrue(blank)) ? line : indention + line,
  );
  const made = (isTrue(first) ? indention : "") + indented.join("\n");
  return value instanceof SafeText ? new SafeText(made) : made;
}

function truncate(
  value: Value,
  [length = 255, killWords = false, end = "...", leeway]: Bound,
  context: FilterContext,
): Value {
  const text = textOf(softText(value, context));
  const ending = toText(end, context.budget);
  const most = asInt(length, 255);
  const spare = leeway === null ? 5 : asInt(leeway, 5);
  if (most < lengthOf(ending) || spare < 0)
    throw new TemplateFailure("truncate: length or leeway is too small");
  if (lengthOf(text) <= most + spare) return text;
  const cut = Array.from(text)
    .slice(0, most - lengthOf(ending))
    .join("");
  return (isTrue(killWords) ? cut : (splitText(cut, " ", 1, true)[0] ?? "")) + ending;
}

function stripTags(text: string, budget: Budget): string {
  // Each tag that goes moves all that is behind it.
  budget.spend(text.length ** 2 / 1e5);
  let bare = text;
  for (const [open, close] of [
    ["<!--", "-->"],
    ["<", ">"],
  ] as const) {
    for (let start = bare.indexOf(open); start >= 0; start = bare.indexOf(open, start)) {
      const end = bare.indexOf(close, start);
      if (end < 0) break;
      bare = bare.slice(0, start) + bare.slice(end + close.length);
    }
  }
  const names: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"' };
  return splitText(bare, null, -1, false)
    .join(" ")
    .replace(
      /&(?:#(\d+)|#x([\da-f]+)|(amp|lt|gt|quot));/gi,
      (_, decimal?: string, hex?: string, name?: string) =>
        name !== undefined
          ? (names[name.toLowerCase()] ?? "")
          : characterOf(decimal === undefined ? parseInt(hex ?? "0", 16) : Number(decimal)),
    );
}

function characterOf(code: number): string {
  return code <= 0x10ffff ? String.fromCodePoint(code) : "\ufffd";
}

function urlEncode(value: Value, _: unknown, context: FilterContext): string {
  const { budget } = context;
  if (isText(value)) return quoteUrl(charged(value, budget), "/");
  if (value === null || (!isDict(value) && !Array.isArray(value) && !(value instanceof Tuple)))
    return quoteUrl(charged(value, budget), "/");
  const pairs = isDict(value) ? [...value] : Array.from(itemsFor(value, context), pairOf);
  return pairs
    .map(
      ([key, entry]) =>
        `${quoteUrl(charged(key, budget), "", true)}=${quoteUrl(charged(entry, budget), "", true)}`,
    )
    .join("&");
}

function pairOf(value: Value): readonly [Value, Value] {
  const items = value instanceof Tuple ? value.items : Array.isArray(value) ? (value as Value[]) : [];
  const [key, entry] = items;
  if (items.length !== 2 || key === undefined || entry === undefined) throw new TemplateFailure("not a pair");
  return [key, entry];
}

function quoteUrl(text: string, kept: string, forQuery = false): string {
  const quoted = encodeURIComponent(text.toWellFormed()).replace(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  const withKept = kept === "/" ? quoted.replaceAll("%2F", "/") : quoted;
  return forQuery ? withKept.replaceAll("%20", "+") : withKept;
}

function fileSize(bytes: number, binary: boolean): string {
  const base = binary ? 1024 : 1000;
  if (bytes === 1) return "1 Byte";
  if (bytes < base) return `${Math.trunc(bytes)} Bytes`;
  const prefixes = [binary ? "K" : "k", "M", "G", "T", "P", "E", "Z", "Y"];
  const index = Math.min(prefixes.length, Math.floor(Math.log(bytes) / Math.log(base))) - 1;
  return `${formatFloat(bytes / base ** (index + 1), "f", 1, false)} ${prefixes[index]}${binary ? "iB" : "B"}`;
}
