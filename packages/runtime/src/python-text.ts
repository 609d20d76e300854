// Python's meaning of white space around a text, which differs from JavaScript's. Source: CPython, str.strip.

/** What `str.isspace` holds for: unlike JavaScript's `\s` no U+FEFF, but U+001C to U+001F and U+0085. */
const space = "[\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]";
const leading = new RegExp(`^${space}+`);
const isSpace = new RegExp(space);

/** Python's `str.strip`. */
export function strip(text: string): string {
  return stripEnd(stripStart(text));
}

/** Python's `str.lstrip`. */
export function stripStart(text: string): string {
  return text.replace(leading, "");
}

/** Python's `str.rstrip`. A loop, as a pattern bound to the end would try again at every space of a long text. */
export function stripEnd(text: string): string {
  let end = text.length;
  while (end > 0 && isSpace.test(text.charAt(end - 1))) end -= 1;
  return text.slice(0, end);
}
