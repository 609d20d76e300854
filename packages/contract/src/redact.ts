// What must not be read in a log, taken out where the line is made: keys and tokens by their looks, declared secrets by
// their values. Pure.

import { redact } from "./errors.ts";
import type { ReplicaConfig } from "./replica.ts";

export interface Redactor {
  /** The text without them. A secret that stands in it in part is not found: see `createRedactedLines`. */
  readonly clean: (text: string) => string;
  /** Nothing that it takes out by its value is longer, nor any key or token of ours. */
  readonly longest: number;
}

/** What is shorter could not be told from any other word. */
export const shortestSecret = 4;
/** Of keys and tokens. */
const longestToken = 512;

/** @param values the secrets that a deployment declares; shorter ones than four characters are left alone */
export function createRedactor(values: Iterable<string> = []): Redactor {
  const words = [...new Set([...values].flatMap(formsOf))].filter(({ length }) => length >= shortestSecret);
  // The longest first: one secret may begin with another.
  words.sort((a, b) => b.length - a.length);
  const longest = Math.max(longestToken, words[0]?.length ?? 0);
  const pattern = new RegExp(words.map((word) => RegExp.escape(word)).join("|"), "g");
  const withoutWords = (text: string) => (words.length === 0 ? text : text.replaceAll(pattern, "***"));
  // Code may write a flood of short lines.
  const clean = (text: string) => (text.length < shortestSecret ? text : redact(withoutWords(text)));
  return { clean, longest };
}

/** Values that a replica is given and must not write. */
export function secretsOf({ code }: ReplicaConfig): string[] {
  return [...Object.values(code?.secrets ?? {}), ...Object.values(code?.python?.hub_secrets ?? {})];
}

/** As it is, each of its lines, and as JSON and addresses write it. */
function formsOf(value: string): string[] {
  const lines = value.split(/\r?\n/).map((line) => line.trim());
  const all = [value, value.trim(), ...lines];
  return all.flatMap((text) => [text, JSON.stringify(text).slice(1, -1), encoded(text)]);
}

function encoded(text: string): string {
  return text.isWellFormed() ? encodeURIComponent(text) : text;
}

/** `text` without secrets, and at most `limit` characters of it. What the cut may have parted is left out. */
export function cleanAndCut({ clean, longest }: Redactor, text: string, limit: number): string {
  if (text.length <= limit) return clean(text);
  const cleaned = clean(text.slice(0, limit + longest));
  // At the end of what is not the whole text a part of a secret may stand, which was not found.
  const sure = text.length <= limit + longest ? cleaned.length : cleaned.length - longest;
  return `${cleaned.slice(0, Math.max(0, Math.min(limit, sure)))}…`;
}

export interface RedactedLinesOptions {
  readonly redactor: Redactor;
  /** Most characters of a line; the rest of a longer one is dropped. */
  readonly limit: number;
  readonly onLine: (line: string) => void;
}

export interface RedactedLines {
  /** A piece of what is written, of whatever size. */
  write(text: string): void;
  /** The line that has no end. */
  end(): void;
}

/** Pieces of text → lines without secrets, wherever the pieces and the limit part them. */
export function createRedactedLines({ redactor, limit, onLine }: RedactedLinesOptions): RedactedLines {
  // One more than is looked at, by which a line that is too long is known.
  const most = limit + redactor.longest + 1;
  let rest = "";
  const emit = () => {
    const line = rest.endsWith("\r") ? rest.slice(0, -1) : rest;
    rest = "";
    if (line !== "") onLine(cleanAndCut(redactor, line, limit));
  };
  return {
    write(text) {
      let from = 0;
      for (let end = text.indexOf("\n"); end !== -1; end = text.indexOf("\n", from)) {
        if (rest.length < most) rest += text.slice(from, Math.min(end, from + most - rest.length));
        emit();
        from = end + 1;
      }
      if (rest.length < most) rest += text.slice(from, from + most - rest.length);
    },
    end: emit,
  };
}
