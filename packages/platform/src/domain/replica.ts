// The life of one replica: starting → ready → draining → ended. Pure; knows no process.

import type { ErrorCode } from "@corral/contract";
import { errorTable } from "@corral/contract";

export type ReplicaStatus = "starting" | "ready" | "draining" | "ended";

export type ReplicaEvent =
  | { readonly kind: "ready" }
  | { readonly kind: "drain" }
  | { readonly kind: "ended" };

/** The state after an event; a replica never goes back. */
export function nextReplicaStatus(status: ReplicaStatus, event: ReplicaEvent): ReplicaStatus {
  if (status === "ended") return status;
  switch (event.kind) {
    case "ready":
      return status === "starting" ? "ready" : status;
    case "drain":
      return "draining";
    case "ended":
      return "ended";
  }
}

/** How a replica's process ended, as the operating system and its last log lines tell it. */
export interface ReplicaExit {
  readonly exitCode: number | null;
  readonly signal: string | null;
  /** The last lines of its log, oldest first. */
  readonly lastLines: readonly string[];
}

export interface ExitReason {
  readonly text: string;
  /** True where the same start would fail again. */
  readonly permanent: boolean;
}

/**
 * Why a replica ended: the last error it logged with a code of our table, else its last line, else how it exited.
 */
export function describeExit(exit: ReplicaExit): ExitReason {
  const how = exit.signal !== null ? `killed by ${exit.signal}` : `exit code ${exit.exitCode ?? "unknown"}`;
  for (const line of exit.lastLines.toReversed()) {
    const error = loggedError(line);
    if (error === null) continue;
    const definition = errorTable[error.code];
    return {
      text: `${error.code}: ${error.detail}`,
      permanent: exit.signal === null && !definition.retryable && error.code !== "internal",
    };
  }
  const last = exit.lastLines.findLast((line) => line.trim() !== "");
  return {
    text:
      last === undefined
        ? `The replica ended: ${how}.`
        : `The replica ended: ${how}; its last line was: ${last.slice(0, 500)}`,
    permanent: false,
  };
}

/** A log line that is JSON and names a code of the error table, at its top or under `error` or `err`. */
function loggedError(line: string): { readonly code: ErrorCode; readonly detail: string } | null {
  if (!line.startsWith("{")) return null;
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return null;
  }
  for (const candidate of [value, field(value, "error"), field(value, "err")]) {
    const code = field(candidate, "code");
    if (typeof code !== "string" || !Object.hasOwn(errorTable, code)) continue;
    const detail = [field(candidate, "detail"), field(candidate, "message"), field(candidate, "msg")].find(
      (text) => typeof text === "string",
    );
    return { code: code as ErrorCode, detail: typeof detail === "string" ? detail.slice(0, 500) : "" };
  }
  return null;
}

function field(value: unknown, name: string): unknown {
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, name)) return undefined;
  return (value as Record<string, unknown>)[name];
}
