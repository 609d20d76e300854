// Texts as Python sees them: rows of code points, where JavaScript counts units of UTF-16.

import type { Budget } from "./budget.ts";
import { TemplateFailure } from "./failure.ts";

const wide = /[\ud800-\udbff][\udc00-\udfff]/;

/** Characters, each a code point; the text itself where the units of UTF-16 are just those. */
export function charactersOf(text: string): string | readonly string[] {
  return wide.test(text) ? Array.from(text) : text;
}

/** Python's `len`. */
export function lengthOf(text: string): number {
  return charactersOf(text).length;
}

/** Python's order of texts, by code points: negative, 0 or positive. */
export function compareTexts(a: string, b: string): number {
  if (a === b) return 0;
  const surrogate = /[\ud800-\udfff]/;
  if (!surrogate.test(a) && !surrogate.test(b)) return a < b ? -1 : 1;
  const [left, right] = [Array.from(a), Array.from(b)];
  for (let index = 0; index < Math.min(left.length, right.length); index += 1) {
    const difference = (left[index]?.codePointAt(0) ?? 0) - (right[index]?.codePointAt(0) ?? 0);
    if (difference !== 0) return difference;
  }
  return left.length - right.length;
}

/** Longer texts than any prompt. */
const longestText = 64 * 1024 * 1024;

export function repeatText(text: string, count: number, budget: Budget): string {
  const times = Math.max(0, count);
  budget.spendCharacters(text.length * times);
  if (text.length * times > longestText) throw new TemplateFailure("A text would be too long.");
  return text.repeat(times);
}

/** What `slice(start, stop, step).indices(length)` gives. Null is absent. */
export interface Bounds {
  readonly start: number;
  readonly step: number;
  readonly count: number;
}

export function sliceBounds(
  length: number,
  start: number | null,
  stop: number | null,
  stepGiven: number | null,
): Bounds {
  const step = stepGiven ?? 1;
  if (step === 0) throw new TemplateFailure("slice step cannot be zero");
  const [least, most] = step > 0 ? [0, length] : [-1, length - 1];
  const clamp = (value: number | null, absent: number) => {
    if (value === null) return absent;
    return Math.min(most, Math.max(least, value < 0 ? value + length : value));
  };
  const first = clamp(start, step > 0 ? least : most);
  const last = clamp(stop, step > 0 ? most : least);
  return { start: first, step, count: Math.max(0, Math.ceil((last - first) / step)) };
}

export function sliceItems<Item>(items: readonly Item[], { start, step, count }: Bounds): Item[] {
  if (step === 1) return items.slice(start, start + count);
  return Array.from({ length: count }, (_, index) => items[start + index * step] as Item);
}

export function sliceText(text: string, bounds: (length: number) => Bounds): string {
  const characters = charactersOf(text);
  const at = bounds(characters.length);
  if (typeof characters === "string" && at.step === 1) return characters.slice(at.start, at.start + at.count);
  return sliceItems(typeof characters === "string" ? characters.split("") : characters, at).join("");
}

/** Ends of lines as `str.splitlines` knows them. */
// oxlint-disable-next-line no-control-regex
const lineEnd = /\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]/g;

export function splitLines(text: string, keepEnds: boolean): string[] {
  const lines: string[] = [];
  let start = 0;
  for (const { 0: end, index } of text.matchAll(lineEnd)) {
    lines.push(text.slice(start, keepEnds ? index + end.length : index));
    start = index + end.length;
  }
  if (start < text.length) lines.push(text.slice(start));
  return lines;
}

/** Python's `str.title`: a letter after anything but a letter is a capital. */
export function titleCase(text: string): string {
  let afterLetter = false;
  let titled = "";
  for (const character of text) {
    titled += afterLetter ? character.toLowerCase() : toTitle(character);
    afterLetter = isCased(character);
  }
  return titled;
}

/** Python's `str.capitalize`. */
export function capitalize(text: string): string {
  const [first = ""] = text;
  return toTitle(first) + text.slice(first.length).toLowerCase();
}

/** Letters whose capital at the beginning of a word is another than in a word of capitals. */
function toTitle(character: string): string {
  const upper = character.toUpperCase();
  if (/^[\u01c4-\u01cc\u01f1-\u01f3]$/.test(character)) return titleDigraphs[upper] ?? upper;
  // One letter that becomes two has only the first of them as a capital.
  const [first = "", ...rest] = upper;
  return first + rest.join("").toLowerCase();
}

const titleDigraphs: Readonly<Record<string, string>> = { Ǆ: "ǅ", Ǉ: "ǈ", Ǌ: "ǋ", Ǳ: "ǲ" };

export function isCased(character: string): boolean {
  return /\p{Cased}/u.test(character);
}
