// Signs requests as S3's clients do, for tests.

import { createHash } from "node:crypto";
import { signatureOf, type Claim } from "../s3/signature.ts";

export interface UploadAnswer {
  readonly s3_bucket: string;
  readonly s3_key: string;
  readonly aws_access_key_id: string;
  readonly aws_secret_access_key: string;
  readonly aws_session_token: string;
  readonly endpoint_url: string;
  readonly region_name: string;
}

export interface ToSign {
  readonly method: string;
  readonly url: string;
  readonly body?: Uint8Array;
  /** Signed with the rest. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Default: the body's sha256. */
  readonly content?: string;
  readonly at?: Date;
}

/** All headers of the signed request. */
export function signed(
  keys: Pick<UploadAnswer, "aws_access_key_id" | "aws_secret_access_key" | "aws_session_token">,
  { method, url, body = new Uint8Array(), headers = {}, content, at = new Date() }: ToSign,
): Record<string, string> {
  const { host, pathname, search } = new URL(url);
  const timestamp = at.toISOString().replaceAll(/[-:]|\.\d+/g, "");
  const all: Record<string, string> = {
    ...headers,
    host,
    "x-amz-date": timestamp,
    "x-amz-content-sha256": content ?? createHash("sha256").update(body).digest("hex"),
    "x-amz-security-token": keys.aws_session_token,
  };
  const claim: Claim = {
    accessKey: keys.aws_access_key_id,
    date: timestamp.slice(0, 8),
    region: "us-east-1",
    service: "s3",
    signedHeaders: Object.keys(all).toSorted((a, b) => (a < b ? -1 : 1)),
    signature: "",
    signedAt: at,
    timestamp,
    content: all["x-amz-content-sha256"] ?? "",
  };
  const signature = signatureOf(
    { method, target: pathname + search, headers: all },
    claim,
    keys.aws_secret_access_key,
  );
  const { host: _, ...sent } = all;
  const scope = `${claim.date}/${claim.region}/s3/aws4_request`;
  return {
    ...sent,
    authorization: `AWS4-HMAC-SHA256 Credential=${claim.accessKey}/${scope}, SignedHeaders=${claim.signedHeaders.join(";")}, Signature=${signature}`,
  };
}
