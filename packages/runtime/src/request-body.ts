// The bytes of a request → a JSON object, within a limit. Knows no fields.

import { parseBody, requireJsonType, ServingError } from "@corral/contract";
import type { IncomingMessage } from "node:http";
import { withWrittenFloats } from "./written-floats.ts";

/**
 * Fails with `body_too_large`, `unsupported_media_type`, `invalid_json` or `client_closed`. What is refused is still
 * read to its end and thrown away, so that the answer reaches a peer that is busy sending.
 */
export async function readJsonObject(
  request: IncomingMessage,
  limitBytes: number,
): Promise<Readonly<Record<string, unknown>>> {
  try {
    requireJsonType(request.headers["content-type"]);
  } catch (error) {
    request.resume();
    throw error;
  }
  const bytes = await readBody(request, limitBytes);
  return withWrittenFloats(bytes, parseBody(bytes));
}

/** As it is. Fails as `readJsonObject` does, but for its JSON. */
export async function readBody(request: IncomingMessage, limitBytes: number): Promise<Buffer> {
  const encoding = request.headers["content-encoding"] ?? "identity";
  if (encoding !== "identity") {
    request.resume();
    throw new ServingError(
      "unsupported_media_type",
      `Content-Encoding ${encoding} is not supported; send the body as it is.`,
    );
  }
  return await readBytes(request, limitBytes);
}

const noBytes: Buffer = Buffer.alloc(0);

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
    let isRead = false;
    // Comes after every body; an error that nobody hears of is not made.
    request.on("close", () => {
      if (!isRead) reject(new ServingError("client_closed", "The body ended too early."));
    });
    if (Number(request.headers["content-length"] ?? 0) > limitBytes) {
      tooLarge();
      return;
    }
    request.on("data", (chunk: Buffer) => {
      length += chunk.length;
      if (length > limitBytes) tooLarge();
      else chunks.push(chunk);
    });
    request.on("end", () => {
      isRead = true;
      const [only = noBytes] = chunks;
      resolve(chunks.length > 1 ? Buffer.concat(chunks) : only);
    });
  });
}
