// The bytes of a call's body → a JSON object, whoever reads it: the replica, or a gateway that looks for a model's name.
// Knows no fields.

import { fieldsError, ServingError } from "./errors.ts";
import { describeValue } from "./generation-values.ts";
import { parseJson } from "./json.ts";

/** Of a body that is to be JSON; no type at all is taken for it. Fails with `unsupported_media_type`. */
export function requireJsonType(contentType: string | undefined): void {
  const type = mediaType(contentType);
  if (type === "" || type === "application/json" || type.endsWith("+json")) return;
  const curl = type === formType ? " (curl -d sends forms unless told otherwise)" : "";
  throw new ServingError(
    "unsupported_media_type",
    `The content type is ${JSON.stringify(type)}${curl}; send JSON with the header "Content-Type: application/json".`,
  );
}

export const formType = "application/x-www-form-urlencoded";

/** In lower case and without parameters; "" where there is none. */
export function mediaType(contentType: string | undefined): string {
  return contentType?.split(";")[0]?.trim().toLowerCase() ?? "";
}

/**
 * Fails with `invalid_json`, or with `invalid_parameter` for what is no object or costs more to read than any call does.
 */
export function parseBody(bytes: Uint8Array): Readonly<Record<string, unknown>> {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new ServingError("invalid_json", "The body is not valid UTF-8, and JSON is.", { cause });
  }
  refuseOddNesting(bytes);
  const value = parseJson(text);
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    const body = value as Record<string, unknown>;
    refuseOddFields(body);
    return body;
  }
  const kind = Array.isArray(value) ? "a list" : value === null ? "null" : `a ${typeof value}`;
  throw refusedBody(`The body is ${kind}; it must be a JSON object with the call's fields.`);
}

/** No call nests deeper or has more lists and objects; 16 MB of brackets take the parser 7 s, this scan 20 ms. */
const deepestNesting = 64;
const mostBrackets = 100_000;

function refuseOddNesting(bytes: Uint8Array): void {
  let depth = 0;
  let opened = 0;
  let inString = false;
  for (let index = 0; index < bytes.length; index += 1) {
    const byte = bytes[index];
    if (byte === quote) inString = !inString;
    else if (inString) index += byte === backslash ? 1 : 0;
    else if (byte === openBrace || byte === openBracket) {
      depth += 1;
      opened += 1;
      if (depth > deepestNesting) throw refusedBody(`The body nests deeper than ${deepestNesting} levels.`);
      if (opened > mostBrackets)
        throw refusedBody(`The body has more than ${mostBrackets} lists and objects.`);
    } else if (byte === closeBrace || byte === closeBracket) depth -= 1;
  }
}

const [quote, backslash, openBrace, closeBrace, openBracket, closeBracket] = new TextEncoder().encode(
  '"\\{}[]',
);

/** Every name that is not known is compared with those that are, to say what may have been meant. */
const mostFields = 256;
const longestName = 100;

function refuseOddFields(body: Readonly<Record<string, unknown>>): void {
  const names = Object.keys(body);
  if (names.length > mostFields)
    throw refusedBody(`The body has ${names.length} fields; at most ${mostFields} are read.`);
  const long = names.find((name) => name.length > longestName);
  if (long !== undefined)
    throw refusedBody(`The field ${describeValue(long)} has a name of more than ${longestName} characters.`);
}

function refusedBody(message: string): ServingError {
  return fieldsError([{ pointer: "", code: "invalid_parameter", message }]);
}
