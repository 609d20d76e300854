// Whole numbers that a body writes as floats, as `1.0`: to Python another value than 1, and a chat template shows it so.
// JSON.parse does not tell them apart. Source: CPython 3.11, json; ECMAScript's JSON.parse with source text.

/** What of a body a chat template may show. */
const shownFields = ["messages", "tools", "documents", "chat_template_kwargs"] as const;

/** Parsing twice is for calls with a few such numbers, not for bodies of many megabytes. */
const longestText = 2 * 1024 * 1024;

/** A whole number with a fraction or an exponent, or what looks like one in a text. */
const wholeFloat = /\d(?:\.0+(?![\d])|(?:\.\d+)?[eE][-+]?\d)/;

/** JSON whose whole floats are `Number` objects, which are written as numbers again. */
export function parseWithFloats(text: string): unknown {
  const revive = (_key: string, value: unknown, context?: { readonly source?: string }) => {
    const isWhole = typeof value === "number" && Number.isInteger(value);
    return isWhole && /[.eE]/.test(context?.source ?? "") ? (Object(value) as unknown) : value;
  };
  return JSON.parse(text, revive);
}

/** The body with such numbers in the fields that templates show. Everywhere else a number is a number. */
export function withWrittenFloats(
  bytes: Uint8Array,
  body: Readonly<Record<string, unknown>>,
): Readonly<Record<string, unknown>> {
  const shown = shownFields.filter((field) => typeof body[field] === "object");
  if (shown.length === 0 || bytes.length > longestText) return body;
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("utf8");
  if (!wholeFloat.test(text)) return body;
  const exact = parseWithFloats(text) as Readonly<Record<string, unknown>>;
  return { ...body, ...Object.fromEntries(shown.map((field) => [field, exact[field]])) };
}
