// Refusals of the upload's protocol, in S3's words and XML: clients know the codes and retry by them.

import type { ErrorAnswer, ErrorCode, ServingError } from "@corral/contract";

const statuses = {
  AccessDenied: 403,
  AuthorizationHeaderMalformed: 400,
  BadDigest: 400,
  EntityTooLarge: 400,
  ExpiredToken: 400,
  IncompleteBody: 400,
  InternalError: 500,
  InvalidAccessKeyId: 403,
  InvalidArgument: 400,
  InvalidPart: 400,
  InvalidRequest: 400,
  InvalidURI: 400,
  MalformedXML: 400,
  MethodNotAllowed: 405,
  MissingContentLength: 411,
  NoSuchUpload: 404,
  NotImplemented: 501,
  RequestTimeTooSkewed: 403,
  ServiceUnavailable: 503,
  SignatureDoesNotMatch: 403,
  XAmzContentSHA256Mismatch: 400,
} as const;

export type S3Code = keyof typeof statuses;

export class S3Error extends Error {
  readonly s3Code: S3Code;
  constructor(code: S3Code, message: string) {
    super(message);
    this.s3Code = code;
  }
}

export function s3Error(code: S3Code, message: string): S3Error {
  return new S3Error(code, message);
}

const codesOf: Partial<Record<ErrorCode, S3Code>> = {
  body_too_large: "EntityTooLarge",
  client_closed: "IncompleteBody",
  timeout: "IncompleteBody",
  route_not_found: "MethodNotAllowed",
  method_not_allowed: "MethodNotAllowed",
  shutting_down: "ServiceUnavailable",
  storage_full: "ServiceUnavailable",
  database_unavailable: "ServiceUnavailable",
};

/** @param error of ours, where it is none of S3's */
export function s3ErrorAnswer(cause: unknown, error: ServingError): ErrorAnswer {
  const own = cause instanceof S3Error;
  const code = own ? cause.s3Code : (codesOf[error.code] ?? "InternalError");
  const message = own ? cause.message : error.message;
  return {
    status: statuses[code],
    headers: { "content-type": "application/xml" },
    body: xml(`<Error><Code>${code}</Code><Message>${escapeXml(message)}</Message></Error>`),
  };
}

export function xml(content: string): string {
  return `<?xml version="1.0" encoding="UTF-8"?>\n${content}`;
}

export function escapeXml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
