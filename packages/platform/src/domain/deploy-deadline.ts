// How long a deployment may take until it answers for the first time, where its author limits that. The limit is kept in
// its settings until it has answered; one that is asked for again gets a new one, or none. Pure.

import type { DeploymentState } from "./deployment.ts";

/** In a deployment's settings. */
export interface DeployDeadline {
  readonly deploy_timeout_minutes: number;
  /** Milliseconds since the epoch. */
  readonly deploy_by: number;
}

/** For a deployment without one, and in place of the last one. */
export const noDeadline = { deploy_timeout_minutes: undefined, deploy_by: undefined } as const;

export function deadlineOf(minutes: number | null, nowMs: number): DeployDeadline | typeof noDeadline {
  if (minutes === null) return noDeadline;
  return { deploy_timeout_minutes: minutes, deploy_by: nowMs + minutes * 60_000 };
}

export function hasDeadline(settings: Readonly<Record<string, unknown>>): boolean {
  return typeof settings["deploy_by"] === "number";
}

interface Timed {
  readonly desired: string;
  readonly status: string;
  readonly status_detail: string | null;
  readonly settings: Readonly<Record<string, unknown>>;
}

/**
 * What a deployment is whose time is over; null: it is not. It is not started any more. One that has answered, and one
 * that waits for a call, has no deadline.
 */
export function overdueState(row: Timed, nowMs: number): DeploymentState | null {
  const { deploy_by: by, deploy_timeout_minutes: minutes } = row.settings;
  const isWaited = row.desired === "running" && (row.status === "starting" || row.status === "failed");
  if (!isWaited || typeof by !== "number" || by > nowMs) return null;
  const said = `It did not answer within ${Number(minutes)} minutes, which is its deploy_timeout_minutes.`;
  const before = row.status_detail;
  const detail =
    before?.startsWith(said) === true
      ? before
      : `${said} Look into its logs, then push it again or activate it.${before === null ? "" : ` Before that: ${before}`}`;
  return { status: "failed", detail, failureCount: 0 };
}
