// What the gateway checks of a predict request's headers, and what it tells the replica. Never reads the body.

import type { IncomingHttpHeaders } from "node:http";
import { ServingError, forwardedHeaders, type Dialect } from "@corral/contract";
import type { Principal } from "./authenticate.ts";
import { bodyLimitBytes, bodyTooLarge } from "./proxy.ts";

/** A call may be given up after this time. */
export const callLimitMs = 20 * 60_000;

/** The caller's own headers that a replica may see. Everything else stays here: keys, cookies, `x-corral-*`. */
const passedOn = ["accept", "content-length", "traceparent", "tracestate", "user-agent"] as const;

/** Fails with `unsupported_media_type` or `body_too_large`. */
export function checkBodyHeaders(headers: IncomingHttpHeaders): void {
  const type = headers["content-type"]?.split(";")[0]?.trim().toLowerCase();
  if (type !== undefined && type !== "" && type !== "application/json" && !type.endsWith("+json")) {
    const curl =
      type === "application/x-www-form-urlencoded" ? " (curl -d sends forms unless told otherwise)" : "";
    throw new ServingError(
      "unsupported_media_type",
      `The content type is ${JSON.stringify(type)}${curl}; send JSON with the header "Content-Type: application/json".`,
    );
  }
  const encoding = headers["content-encoding"]?.trim().toLowerCase();
  if (encoding !== undefined && encoding !== "" && encoding !== "identity") {
    throw new ServingError(
      "unsupported_media_type",
      `The content encoding is ${JSON.stringify(encoding)}; send the body as it is.`,
    );
  }
  if (Number(headers["content-length"] ?? 0) > bodyLimitBytes) throw bodyTooLarge(bodyLimitBytes);
}

export interface CallTarget {
  readonly modelId: string;
  readonly deploymentId: string;
}

export interface CallContext {
  readonly runId: string;
  readonly dialect: Dialect;
  readonly principal: Principal;
  readonly target: CallTarget;
  readonly token: string | null;
  /** When the call came, in milliseconds since the epoch. */
  readonly nowMs: number;
  /** How long it waited for the model to be loaded. */
  readonly loadMs: number;
}

/** Everything a replica is told beside the bytes. */
export function headersForReplica(
  headers: IncomingHttpHeaders,
  context: CallContext,
): Record<string, string> {
  const { runId, dialect, principal, target, token, nowMs, loadMs } = context;
  const told: Record<string, string> = {
    "content-type": "application/json",
    [forwardedHeaders.runId]: runId,
    [forwardedHeaders.dialect]: dialect,
    [forwardedHeaders.project]: principal.projectId,
    [forwardedHeaders.model]: target.modelId,
    [forwardedHeaders.deployment]: target.deploymentId,
    [forwardedHeaders.deadline]: String(nowMs + callLimitMs),
  };
  if (loadMs > 0) told[forwardedHeaders.load] = String(loadMs);
  if (principal.keyId !== null) told[forwardedHeaders.key] = principal.keyId;
  if (principal.tokenCap !== null) told[forwardedHeaders.tokenCap] = String(principal.tokenCap);
  if (principal.weight !== 1) told[forwardedHeaders.weight] = String(principal.weight);
  if (token !== null) told["authorization"] = `Bearer ${token}`;
  for (const name of passedOn) {
    const value = headers[name];
    if (typeof value === "string") told[name] = value;
  }
  return told;
}
