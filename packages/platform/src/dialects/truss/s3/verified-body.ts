// A signed request's body: decoded, counted and compared with every digest that the request gives. It fails after the
// last byte where one of them is wrong, so whoever stores it keeps nothing before it has ended.

import { createHash } from "node:crypto";
import { decodeAwsChunked } from "./aws-chunked.ts";
import { checksumOfHeader, startChecksum } from "./checksums.ts";
import { s3Error } from "./s3-error.ts";
import type { Claim } from "./signature.ts";

const unsigned = "UNSIGNED-PAYLOAD";
const unsignedWithTrailer = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";

/** @param source the body as it comes */
export function verifiedBody(
  source: AsyncIterable<Uint8Array>,
  { content }: Pick<Claim, "content">,
  headers: Readonly<Record<string, string>>,
): AsyncIterable<Uint8Array> {
  const isStreaming = content === unsignedWithTrailer;
  const isHashed = /^[0-9a-f]{64}$/.test(content);
  if (!isStreaming && !isHashed && content !== unsigned) {
    throw s3Error(
      "NotImplemented",
      `x-amz-content-sha256 is ${content.slice(0, 80)}, which is not taken here.`,
    );
  }
  const encodings = (headers["content-encoding"] ?? "").split(",").map((word) => word.trim());
  if (encodings.includes("aws-chunked") !== isStreaming) {
    throw s3Error("InvalidRequest", "content-encoding and x-amz-content-sha256 do not go together.");
  }
  const trailers = new Map<string, string>();
  const inside = isStreaming ? decodeAwsChunked(source, trailers) : source;
  return verify(inside, {
    sha256: isHashed ? content : null,
    md5: headers["content-md5"] ?? null,
    bytes: isStreaming ? readLength(headers["x-amz-decoded-content-length"]) : null,
    checksums: announced(headers, isStreaming),
    trailers,
  });
}

interface Expectation {
  /** Hex. */
  readonly sha256: string | null;
  /** Base64. */
  readonly md5: string | null;
  readonly bytes: number | null;
  /** Name → base64, or null where a trailer gives it. */
  readonly checksums: ReadonlyMap<string, string | null>;
  readonly trailers: ReadonlyMap<string, string>;
}

async function* verify(
  source: AsyncIterable<Uint8Array>,
  { sha256, md5, bytes, checksums, trailers }: Expectation,
): AsyncGenerator<Uint8Array> {
  const content = sha256 === null ? null : createHash("sha256");
  const md5Hash = md5 === null ? null : createHash("md5");
  const running = [...checksums.keys()].map((name) => [name, startChecksum(name)] as const);
  let count = 0;
  for await (const chunk of source) {
    count += chunk.byteLength;
    // What was not announced has no room.
    if (bytes !== null && count > bytes) throw tooLong(bytes);
    content?.update(chunk);
    md5Hash?.update(chunk);
    for (const [, checksum] of running) checksum.update(chunk);
    yield chunk;
  }
  if (bytes !== null && count !== bytes) {
    throw s3Error(
      "IncompleteBody",
      `The body has ${count} bytes; x-amz-decoded-content-length says ${bytes}.`,
    );
  }
  if (content !== null && content.digest("hex") !== sha256) {
    throw s3Error("XAmzContentSHA256Mismatch", "The body is not the one that was signed.");
  }
  if (md5Hash !== null && md5Hash.digest("base64") !== md5) {
    throw s3Error("BadDigest", "The body is not the one of Content-MD5.");
  }
  for (const [name, checksum] of running) {
    const expected = checksums.get(name) ?? trailers.get(`x-amz-checksum-${name}`);
    if (expected === undefined) {
      throw s3Error("InvalidRequest", `The trailer x-amz-checksum-${name} was announced and did not come.`);
    }
    if (checksum.digest() !== expected) {
      throw s3Error("BadDigest", `The body is not the one of x-amz-checksum-${name}.`);
    }
  }
}

/** Checksums in headers, and those that are announced for the trailer: one is required where the body is not signed. */
function announced(
  headers: Readonly<Record<string, string>>,
  isStreaming: boolean,
): ReadonlyMap<string, string | null> {
  const found = new Map<string, string | null>();
  for (const [header, value] of Object.entries(headers)) {
    const name = checksumOfHeader(header);
    if (name !== null) found.set(name, value);
  }
  if (!isStreaming) return found;
  for (const word of (headers["x-amz-trailer"] ?? "").split(",")) {
    const name = checksumOfHeader(word.trim());
    if (name !== null) found.set(name, null);
  }
  if (found.size === 0) {
    throw s3Error("InvalidRequest", "A body that is not signed needs a checksum in its trailer.");
  }
  return found;
}

/** Bytes of the body before its encoding, as the request announces them. */
export function announcedBytes(
  { content }: Pick<Claim, "content">,
  headers: Readonly<Record<string, string>>,
): number {
  if (content === unsignedWithTrailer) return readLength(headers["x-amz-decoded-content-length"]);
  const length = headers["content-length"];
  if (length !== undefined && /^\d{1,15}$/.test(length)) return Number(length);
  throw s3Error("MissingContentLength", "Content-Length must say how many bytes come.");
}

function tooLong(bytes: number) {
  return s3Error(
    "IncompleteBody",
    `The body has more than the ${bytes} bytes of x-amz-decoded-content-length.`,
  );
}

function readLength(text: string | undefined): number {
  if (text !== undefined && /^\d{1,15}$/.test(text)) return Number(text);
  throw s3Error(
    "InvalidRequest",
    "x-amz-decoded-content-length must be the body's bytes before its encoding.",
  );
}
