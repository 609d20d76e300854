// Escapes in a text of a template, as Python reads them. Source: CPython 3.11, the codec unicode_escape.

import { TemplateSyntaxFailure } from "./failure.ts";

const escape = /\\(?:([0-7]{1,3})|x([\da-fA-F]{2})|u([\da-fA-F]{4})|U([\da-fA-F]{8})|([xuUN])|(\n)|([^]))/g;

const short: Readonly<Record<string, string>> = {
  a: "\x07",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\v",
  "\\": "\\",
  "'": "'",
  '"': '"',
};

/** The text between the quotes → what it stands for. One that stands for nothing stays as it is. */
export function readEscapes(text: string): string {
  if (!text.includes("\\")) return text;
  return text.replace(
    escape,
    (
      whole,
      octal?: string,
      x?: string,
      u?: string,
      long?: string,
      cut?: string,
      lineEnd?: string,
      other?: string,
    ) => {
      if (octal !== undefined) return String.fromCodePoint(parseInt(octal, 8));
      const hex = x ?? u ?? long;
      if (hex !== undefined) {
        const code = parseInt(hex, 16);
        if (code > 0x10ffff) throw new TemplateSyntaxFailure("illegal Unicode character");
        return String.fromCodePoint(code);
      }
      if (cut !== undefined) throw new TemplateSyntaxFailure(`truncated or unknown \\${cut} escape`);
      return lineEnd !== undefined ? "" : (short[other ?? ""] ?? whole);
    },
  );
}
