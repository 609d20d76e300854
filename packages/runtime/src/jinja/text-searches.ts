// Searching, splitting and padding of texts as Python does it, and what can be asked of a text.

import { stripEnd, stripStart } from "../python-text.ts";
import type { Budget } from "./budget.ts";
import { TemplateFailure } from "./failure.ts";
import { isCased, lengthOf, repeatText, titleCase } from "./text.ts";

/** The place of the first, or the last, as a count of characters; -1 where there is none. */
export function findText(text: string, searched: string, last: boolean): number {
  const at = last ? text.lastIndexOf(searched) : text.indexOf(searched);
  return at < 0 ? -1 : lengthOf(text.slice(0, at));
}

export function stripCharacters(text: string, chars: string, atStart: boolean, atEnd: boolean): string {
  const set = new Set(chars);
  const characters = Array.from(text);
  let [start, end] = [0, characters.length];
  while (atStart && start < end && set.has(characters[start] ?? "")) start += 1;
  while (atEnd && end > start && set.has(characters[end - 1] ?? "")) end -= 1;
  return characters.slice(start, end).join("");
}

/** `most` splits at most, any number where it is negative; at runs of white space where the separator is null. */
export function splitText(
  text: string,
  separator: string | null,
  most: number,
  fromRight: boolean,
): string[] {
  if (separator === "") throw new TemplateFailure("empty separator");
  if (separator === null) return splitAtSpaces(text, most, fromRight);
  const parts = text.split(separator);
  if (most < 0 || parts.length <= most + 1) return parts;
  return fromRight
    ? [parts.slice(0, parts.length - most).join(separator), ...parts.slice(parts.length - most)]
    : [...parts.slice(0, most), parts.slice(most).join(separator)];
}

// oxlint-disable-next-line no-control-regex
const word = /[^\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+/g;

function splitAtSpaces(text: string, most: number, fromRight: boolean): string[] {
  const words = [...text.matchAll(word)];
  if (most < 0 || words.length <= most) return words.map(([found]) => found);
  if (fromRight) {
    const kept = words.slice(words.length - most);
    const rest = stripEnd(text.slice(0, kept[0]?.index ?? text.length));
    return [...(rest === "" ? [] : [rest]), ...kept.map(([found]) => found)];
  }
  const rest = stripStart(text.slice(words[most]?.index ?? text.length));
  return [...words.slice(0, most).map(([found]) => found), ...(rest === "" ? [] : [rest])];
}

/** `most` replacements at most, any number where it is negative. */
export function replaceText(text: string, old: string, fresh: string, most: number, budget: Budget): string {
  if (most === 0) return text;
  const parts = old === "" ? ["", ...Array.from(text), ""] : text.split(old);
  const kept =
    most < 0 || parts.length <= most + 1 ? parts : [...parts.slice(0, most), parts.slice(most).join(old)];
  budget.spendCharacters(text.length + fresh.length * kept.length);
  return kept.join(fresh);
}

export function pad(
  text: string,
  width: number,
  fill: string,
  side: "left" | "right" | "both",
  budget: Budget,
): string {
  if (lengthOf(fill) !== 1)
    throw new TemplateFailure("The fill character must be exactly one character long");
  const missing = Math.max(0, width - lengthOf(text));
  const left = side === "left" ? missing : side === "right" ? 0 : (missing >> 1) + (missing & width & 1);
  return repeatText(fill, left, budget) + text + repeatText(fill, missing - left, budget);
}

const every = (pattern: RegExp) => (text: string) => pattern.test(text);

/** What a text can be asked, by the name of the method. */
export const questions: Readonly<Record<string, (text: string) => boolean>> = {
  isdecimal: every(/^\p{Nd}+$/u),
  isdigit: every(/^[\p{Nd}\u00b2\u00b3\u00b9\u2070-\u2079\u2080-\u2089\u2460-\u2468]+$/u),
  isnumeric: every(/^\p{N}+$/u),
  isalpha: every(/^\p{L}+$/u),
  isalnum: every(/^[\p{L}\p{N}]+$/u),
  // oxlint-disable-next-line no-control-regex
  isascii: every(/^[\x00-\x7f]*$/),
  isidentifier: every(/^[\p{ID_Start}_]\p{ID_Continue}*$/u),
  isprintable: every(/^(?:[^\p{C}\p{Z}]| )*$/u),
  isspace: (text) => text !== "" && stripStart(text) === "",
  isupper: (text) => Array.from(text).some(isCased) && text === text.toUpperCase(),
  islower: (text) => Array.from(text).some(isCased) && text === text.toLowerCase(),
  istitle: (text) => Array.from(text).some(isCased) && text === titleCase(text),
};
