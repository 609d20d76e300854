// The bytes of a request → a JSON object, within a limit. Knows no fields.

import { fieldsError, parseJson, ServingError } from "@corral/contract";
import type { IncomingMessage } from "node:http";
import { isObject, show } from "./dialects/body-reader.ts";

/**
 * Fails with `body_too_large`, `unsupported_media_type`, `invalid_json` or `client_closed`. What is refused is still
 * read to its end and thrown away, so that the answer reaches a peer that is busy sending.
 */
export async function readJsonObject(
  request: IncomingMessage,
  limitBytes: number,
): Promise<Readonly<Record<string, unknown>>> {
  const encoding = request.headers["content-encoding"] ?? "identity";
  if (encoding !== "identity") {
    request.resume();
    throw new ServingError(
      "unsupported_media_type",
      `Content-Encoding ${encoding} is not supported; send the JSON as it is.`,
    );
  }
  const bytes = await readBytes(request, limitBytes);
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new ServingError("invalid_json", "The body is not valid UTF-8, and JSON is.", { cause });
  }
  refuseOddNesting(bytes);
  const value = parseJson(text);
  if (isObject(value)) {
    refuseOddFields(value);
    return value;
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

const [quote, backslash, openBrace, closeBrace, openBracket, closeBracket] = Buffer.from('"\\{}[]');

/** Every name that is not known is compared with those that are, to say what may have been meant. */
const mostFields = 256;
const longestName = 100;

function refuseOddFields(body: Readonly<Record<string, unknown>>): void {
  const names = Object.keys(body);
  if (names.length > mostFields)
    throw refusedBody(`The body has ${names.length} fields; at most ${mostFields} are read.`);
  const long = names.find((name) => name.length > longestName);
  if (long !== undefined)
    throw refusedBody(`The field ${show(long)} has a name of more than ${longestName} characters.`);
}

function refusedBody(message: string): ServingError {
  return fieldsError([{ pointer: "", code: "invalid_parameter", message }]);
}

function readBytes(request: IncomingMessage, limitBytes: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let length = 0;
    const tooLarge = () => {
      request.removeAllListeners("data");
      request.resume();
      reject(new ServingError("body_too_large", `The body is over the limit of ${limitBytes} bytes.`));
    };
    request.on("error", (cause) =>
      reject(new ServingError("client_closed", "The body ended too early.", { cause })),
    );
    request.on("close", () => reject(new ServingError("client_closed", "The body ended too early.")));
    if (Number(request.headers["content-length"] ?? 0) > limitBytes) {
      tooLarge();
      return;
    }
    request.on("data", (chunk: Buffer) => {
      length += chunk.length;
      if (length > limitBytes) tooLarge();
      else chunks.push(chunk);
    });
    request.on("end", () => resolve(Buffer.concat(chunks)));
  });
}
