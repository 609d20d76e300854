// A queued run's call to its replica. What it computes comes by the replica's reports; here it only matters whether it
// was taken, and what was said where it was not.

import { errorTable, type Dialect, type ErrorCode, type RunError } from "@corral/contract";
import type { LiveReplica } from "../../replica/live-replica.ts";
import { mayBeRetried } from "../run-state.ts";

export interface ReplicaCall {
  readonly dialect: Dialect;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

export type CallOutcome =
  /** Its end is what the replica reports. */
  | { readonly kind: "answered" }
  /** No attempt: it takes none now, or was never reached. */
  | { readonly kind: "not_taken"; readonly pauseMs: number }
  | {
      readonly kind: "failed";
      readonly error: RunError;
      /** JSON text of the answer; null: there was none. */
      readonly output: string | null;
      readonly mayRetry: boolean;
    };

/** Most bytes of a refusal that are kept. */
const refusalBytes = 64 * 1024;
const shortPauseMs = 250;
/** Refusals that say nothing about the call. */
const passing: ReadonlySet<ErrorCode> = new Set([
  "deployment_not_ready",
  "model_loading",
  "shutting_down",
  "queue_full",
  "key_limit_exceeded",
]);
const unreached: ReadonlySet<unknown> = new Set([
  "ECONNREFUSED",
  "ENOENT",
  "UND_ERR_CONNECT_TIMEOUT",
  "UND_ERR_DESTROYED",
  "UND_ERR_CLOSED",
]);

/** Resolves when the answer is complete. `signal`: the run is not this process' any more. Never rejects. */
export async function callReplica(
  { upstream }: Pick<LiveReplica, "upstream">,
  { dialect, path, headers, body }: ReplicaCall,
  signal: AbortSignal,
): Promise<CallOutcome> {
  upstream.inFlightCount += 1;
  try {
    const answer = await upstream.dispatcher.request({
      path,
      method: "POST",
      headers: { ...headers },
      body,
      headersTimeout: 0,
      bodyTimeout: 0,
      signal,
    });
    const chunks: Buffer[] = [];
    let length = 0;
    for await (const chunk of answer.body as AsyncIterable<Buffer>) {
      length += chunk.length;
      if (answer.statusCode >= 300 && length <= refusalBytes) chunks.push(chunk);
    }
    if (answer.statusCode < 300) return { kind: "answered" };
    const text = length > refusalBytes ? "" : Buffer.concat(chunks).toString("utf8");
    return refusal(dialect, answer.statusCode, text, answer.headers["retry-after-ms"]);
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
    if (unreached.has(code)) return { kind: "not_taken", pauseMs: shortPauseMs };
    const detail = "The replica ended before it answered.";
    return { kind: "failed", error: { code: "replica_lost", detail }, output: null, mayRetry: true };
  } finally {
    upstream.inFlightCount -= 1;
  }
}

/** An answer in the envelope of a family that is an error. */
function refusal(
  dialect: Dialect,
  status: number,
  text: string,
  retryAfterMs: string | string[] | undefined,
): CallOutcome {
  const body = objectOf(text);
  const fields = dialect === "openai" ? objectOf(JSON.stringify(body?.["error"] ?? null)) : body;
  const given = fields?.["code"];
  const detail = fields?.["detail"] ?? fields?.["message"] ?? fields?.["error"];
  const code = isErrorCode(given) ? given : codeOfStatus(status);
  if (passing.has(code)) {
    const asked = Number(retryAfterMs);
    return { kind: "not_taken", pauseMs: asked > 0 ? Math.min(asked, 60_000) : shortPauseMs };
  }
  return {
    kind: "failed",
    error: { code, detail: typeof detail === "string" ? detail : `The replica answered ${status}.` },
    output: body === null ? null : text,
    mayRetry: mayBeRetried(code),
  };
}

function isErrorCode(value: unknown): value is ErrorCode {
  return typeof value === "string" && Object.hasOwn(errorTable, value);
}

/** For an answer that does not say it in our words. */
function codeOfStatus(status: number): ErrorCode {
  return status >= 500 ? "code_failed" : "code_refused";
}

function objectOf(text: string): Readonly<Record<string, unknown>> | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}
