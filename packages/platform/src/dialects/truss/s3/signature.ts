// AWS Signature Version 4 as S3 uses it, checked from the server's side. Source: "Authenticating Requests (AWS
// Signature Version 4)" in Amazon's S3 API reference. Knows neither uploads nor a clock.

import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import { s3Error } from "./s3-error.ts";

/** A request's parts, as they came. */
export interface SignedRequest {
  readonly method: string;
  /** Path and query as sent, without an authority. */
  readonly target: string;
  /** Lower-case names; values of equal names joined by ",". */
  readonly headers: Readonly<Record<string, string>>;
}

export interface Claim {
  readonly accessKey: string;
  /** `yyyymmdd`. */
  readonly date: string;
  readonly region: string;
  readonly service: string;
  /** Lower-case names, ascending. */
  readonly signedHeaders: readonly string[];
  /** Hex. */
  readonly signature: string;
  /** When it was signed. */
  readonly signedAt: Date;
  /** `x-amz-date` as sent. */
  readonly timestamp: string;
  /** `x-amz-content-sha256` as sent: a hex digest, or a word for a body that is not signed. */
  readonly content: string;
}

const algorithm = "AWS4-HMAC-SHA256";
/** Without them a request could be sent again as another one. */
const mustBeSigned = ["host", "x-amz-content-sha256", "x-amz-date"];

/** What a request says of its signature. Fails with S3's errors; nothing is verified yet. */
export function readClaim({ headers }: Pick<SignedRequest, "headers">): Claim {
  const authorization = headers["authorization"];
  if (authorization === undefined) throw s3Error("AccessDenied", "The request is not signed.");
  const [, fields] = /^AWS4-HMAC-SHA256\s+(.+)$/.exec(authorization) ?? [];
  if (fields === undefined) {
    throw s3Error("InvalidRequest", `The request must be signed with ${algorithm}.`);
  }
  const parts = new Map(
    fields.split(",").map((field) => {
      const [name = "", ...value] = field.trim().split("=");
      return [name, value.join("=")] as const;
    }),
  );
  const [accessKey, date, region, service, end] = (parts.get("Credential") ?? "").split("/");
  const signedHeaders = (parts.get("SignedHeaders") ?? "").split(";");
  const signature = parts.get("Signature") ?? "";
  const timestamp = headers["x-amz-date"] ?? "";
  const signedAt = readTimestamp(timestamp);
  const content = headers["x-amz-content-sha256"] ?? "";
  if (
    accessKey === undefined ||
    date === undefined ||
    region === undefined ||
    service === undefined ||
    end !== "aws4_request" ||
    !/^[0-9a-f]{64}$/.test(signature)
  ) {
    throw s3Error("AuthorizationHeaderMalformed", "The Authorization header is not complete.");
  }
  if (signedAt === null || !timestamp.startsWith(date)) {
    throw s3Error("AccessDenied", "x-amz-date must be the time of the signature, as in 20260131T235959Z.");
  }
  if (content === "") throw s3Error("InvalidRequest", "x-amz-content-sha256 is missing.");
  const names = Object.keys(headers).filter((name) => name.startsWith("x-amz-"));
  const unsigned = [...mustBeSigned, ...names].find((name) => !signedHeaders.includes(name));
  if (unsigned !== undefined) {
    throw s3Error("AccessDenied", `The header ${unsigned} must be signed.`);
  }
  return { accessKey, date, region, service, signedHeaders, signature, signedAt, timestamp, content };
}

/** Whether the claim's signature is the one that `secret` gives. */
export function isSignedWith(request: SignedRequest, claim: Claim, secret: string): boolean {
  const expected = Buffer.from(signatureOf(request, claim, secret));
  const given = Buffer.from(claim.signature);
  return expected.length === given.length && timingSafeEqual(expected, given);
}

/** Hex. */
export function signatureOf(request: SignedRequest, claim: Claim, secret: string): string {
  const scope = `${claim.date}/${claim.region}/${claim.service}/aws4_request`;
  const canonical = canonicalRequest(request, claim);
  const text = [algorithm, claim.timestamp, scope, sha256(canonical)].join("\n");
  const keys = [claim.date, claim.region, claim.service, "aws4_request"];
  const key = keys.reduce<Buffer>((last, word) => hmac(last, word), Buffer.from(`AWS4${secret}`));
  return hmac(key, text).toString("hex");
}

export function canonicalRequest(
  { method, target, headers }: SignedRequest,
  { signedHeaders, content }: Pick<Claim, "signedHeaders" | "content">,
): string {
  const at = target.indexOf("?");
  const path = at === -1 ? target : target.slice(0, at);
  const query = at === -1 ? "" : target.slice(at + 1);
  const lines = signedHeaders.map(
    (name) => `${name}:${(headers[name] ?? "").trim().replaceAll(/ +/g, " ")}\n`,
  );
  return [
    method,
    encodePath(path),
    canonicalQuery(query),
    lines.join(""),
    signedHeaders.join(";"),
    content,
  ].join("\n");
}

function canonicalQuery(query: string): string {
  if (query === "") return "";
  const pairs = query.split("&").map((pair) => {
    const [name = "", ...value] = pair.split("=");
    return [encode(decode(name)), encode(decode(value.join("=")))] as const;
  });
  return pairs
    .toSorted(([a, x], [b, y]) => compare(a, b) || compare(x, y))
    .map(([name, value]) => `${name}=${value}`)
    .join("&");
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Each segment decoded and encoded again by AWS's rules: clients differ in what they leave as it is. */
function encodePath(path: string): string {
  return path
    .split("/")
    .map((segment) => encode(decode(segment)))
    .join("/");
}

/** Everything but A-Z, a-z, 0-9, `-`, `.`, `_` and `~`. */
function encode(text: string): string {
  return encodeURIComponent(text).replaceAll(
    /[!'()*]/g,
    (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw s3Error("InvalidURI", "The path or the query is not percent-encoded text.");
  }
}

function readTimestamp(text: string): Date | null {
  const [, year, month, day, hour, minute, second] =
    /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(text) ?? [];
  if (year === undefined) return null;
  const date = new Date(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  return Number.isNaN(date.getTime()) ? null : date;
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

function hmac(key: Buffer, text: string): Buffer {
  return createHmac("sha256", key).update(text).digest();
}
