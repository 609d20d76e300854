// What the gateway checks of a predict request's headers, and what it tells the replica. Never reads the body.

import type { IncomingHttpHeaders } from "node:http";
import {
  ServingError,
  formType,
  forwardedHeaders,
  storedIfAsked,
  mediaType,
  requireJsonType,
  type Dialect,
} from "@corral/contract";
import type { Principal } from "./authenticate.ts";
import { bodyLimitBytes, bodyTooLarge } from "./proxy.ts";

/** A call may be given up after this time. */
export const callLimitMs = 20 * 60_000;

/** The caller's own headers that a replica may see. Everything else stays here: keys, cookies, `x-corral-*`. */
const passedOn = ["accept", "content-length", "traceparent", "tracestate", "user-agent"] as const;

/**
 * What a route takes. `raw`: whatever the model's code reads, but for forms, which curl sends by mistake; a model without
 * code refuses it itself. `any`: forms, too.
 */
export type BodyTypes = "json" | "raw" | "any";

/** Fails with `unsupported_media_type` or `body_too_large`. */
export function checkBodyHeaders(headers: IncomingHttpHeaders, types: BodyTypes = "json"): void {
  const type = headers["content-type"];
  if (types === "json" || (types === "raw" && mediaType(type) === formType)) requireJsonType(type);
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
  /** The model's code reads the request itself: it gets what the caller sent, but for what opens or routes. */
  readonly isOwnRequest: boolean;
  /** Nothing stands around the model's answer. */
  readonly isBare: boolean;
  /** How many runs of code lead to this one; 0: a caller asked for it. */
  readonly depth: number;
  /** False: the run's output is not kept. Default true. */
  readonly isStored?: boolean;
  /** It is kept all the same where the body asks for it. Default false. */
  readonly storesIfAsked?: boolean;
  /** The run goes on where its caller's connection ends. Default false. */
  readonly outlivesCaller?: boolean;
  /** Its answer is kept whole, for the same call sent again. Default false. */
  readonly keepsAnswer?: boolean;
  /** Somebody may follow its text though it does not stream. Default false. */
  readonly isFollowed?: boolean;
  /** Its result is sent on from the run's record. Default false. */
  readonly keepsOutput?: boolean;
  /** How often its run was tried before. Default 0. */
  readonly attempt?: number;
  /** When it may be given up, from `nowMs`; default: as a call whose caller waits. */
  readonly limitMs?: number;
  /** How long it waited in the queue; absent: its caller waits for it. */
  readonly queuedMs?: number;
  /** Calls of a higher one are computed first; default 0. */
  readonly priority?: number;
}

/** What a caller says of its run in headers. */
export interface RunWishes {
  readonly isStored: boolean;
  /** It is not stored only because nothing was said: the body may ask for it. */
  readonly storesIfAsked: boolean;
  readonly outlivesCaller: boolean;
}

/**
 * Fails with `invalid_parameter`.
 * @param storesRuns what holds where the caller does not say
 */
export function readRunWishes(
  headers: IncomingHttpHeaders,
  { storesRuns }: { readonly storesRuns: boolean },
): RunWishes {
  const store = readWord(headers, forwardedHeaders.store, ["true", "false"]);
  return {
    isStored: store === null ? storesRuns : store === "true",
    storesIfAsked: store === null && !storesRuns,
    outlivesCaller: readWord(headers, forwardedHeaders.onDisconnect, ["cancel", "continue"]) === "continue",
  };
}

function readWord(headers: IncomingHttpHeaders, name: string, words: readonly string[]): string | null {
  const text = headers[name];
  if (text === undefined || text === "") return null;
  const word = String(text).trim().toLowerCase();
  if (words.includes(word)) return word;
  const message = `The header ${name} is ${JSON.stringify(word.slice(0, 60))}; send ${words.join(" or ")}, or leave it out.`;
  throw new ServingError("invalid_parameter", message);
}

/** Keys, what belongs to one connection, and what the gateway says itself. */
const keptBack =
  /^(authorization|proxy-.*|x-api-key|cookie|host|connection|keep-alive|te|trailer|transfer-encoding|upgrade|expect|content-encoding|x-corral-.*|x-baseten-request-id)$/;

/**
 * What the queue keeps of a caller's headers for its replica: no key and no cookie, and nothing that depends on the
 * connection, on the body's form or on who reads the answer.
 */
export function headersForQueue(
  headers: IncomingHttpHeaders,
  { isOwnRequest }: Pick<CallContext, "isOwnRequest">,
): Record<string, string> {
  const names = isOwnRequest ? Object.keys(headers).filter((name) => !keptBack.test(name)) : passedOn;
  const kept: Record<string, string> = {};
  for (const name of ["content-type", ...names]) {
    const value = headers[name];
    if (value === undefined || unqueued.test(name)) continue;
    kept[name] = Array.isArray(value) ? value.join(", ") : value;
  }
  return kept;
}

const unqueued = /^(accept|accept-encoding|content-length|prefer|x-webhook-secret|idempotency-key)$/;

/** Everything a replica is told beside the bytes. */
export function headersForReplica(
  headers: IncomingHttpHeaders,
  context: CallContext,
): Record<string, string> {
  const { runId, dialect, principal, target, token, nowMs, loadMs, queuedMs, priority = 0 } = context;
  const told: Record<string, string> = {
    "content-type": headers["content-type"] ?? "application/json",
    [forwardedHeaders.runId]: runId,
    [forwardedHeaders.dialect]: dialect,
    [forwardedHeaders.project]: principal.projectId,
    [forwardedHeaders.model]: target.modelId,
    [forwardedHeaders.deployment]: target.deploymentId,
    [forwardedHeaders.deadline]: String(nowMs + (context.limitMs ?? callLimitMs)),
  };
  if (queuedMs !== undefined) told[forwardedHeaders.queued] = String(queuedMs);
  if (priority !== 0) told[forwardedHeaders.priority] = String(priority);
  if (loadMs > 0) told[forwardedHeaders.load] = String(loadMs);
  if (principal.keyId !== null) told[forwardedHeaders.key] = principal.keyId;
  if (principal.tokenCap !== null) told[forwardedHeaders.tokenCap] = String(principal.tokenCap);
  if (principal.hasBudget) told[forwardedHeaders.budget] = "1";
  if (principal.weight !== 1) told[forwardedHeaders.weight] = String(principal.weight);
  if (token !== null) told["authorization"] = `Bearer ${token}`;
  if (context.depth > 0) told[forwardedHeaders.depth] = String(context.depth);
  told[forwardedHeaders.arrived] = String(nowMs);
  if (context.isStored === false)
    told[forwardedHeaders.store] = context.storesIfAsked === true ? storedIfAsked : "0";
  if (context.outlivesCaller === true) told[forwardedHeaders.onDisconnect] = "continue";
  if (context.keepsAnswer === true) told[forwardedHeaders.keepAnswer] = "1";
  if (context.keepsOutput === true) told[forwardedHeaders.keepOutput] = "1";
  if (context.isFollowed === true) told[forwardedHeaders.followed] = "1";
  if ((context.attempt ?? 0) > 0) told[forwardedHeaders.attempt] = String(context.attempt);
  if (context.isBare) told[forwardedHeaders.bare] = "1";
  const names = context.isOwnRequest ? Object.keys(headers).filter((name) => !keptBack.test(name)) : passedOn;
  for (const name of names) {
    const value = headers[name];
    if (value !== undefined) told[name] = Array.isArray(value) ? value.join(", ") : value;
  }
  return told;
}
