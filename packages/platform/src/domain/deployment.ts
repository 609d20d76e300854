// What the state of a deployment is after each event. Pure: time and chance are arguments.
// Knows neither processes nor rows.

import type { DeploymentStatus } from "@corral/contract";

export interface DeploymentState {
  readonly status: DeploymentStatus;
  /** Why it is not active; null where nothing is wrong. */
  readonly detail: string | null;
  /** Replicas that ended one after the other without staying ready. */
  readonly failureCount: number;
}

export type DeploymentEvent =
  | { readonly kind: "replica_ready" }
  | {
      readonly kind: "replica_ended";
      readonly reason: string;
      /** Whether it had become ready, and for how long it was. */
      readonly readyMs: number | null;
      /** The same start would fail again: bad weights, a missing library. */
      readonly permanent: boolean;
    }
  /** Its replica ended to make room or because nobody called, or there is no room to start one again. */
  | { readonly kind: "unloaded" }
  | { readonly kind: "stop_requested" };

export const newDeployment: DeploymentState = { status: "starting", detail: null, failureCount: 0 };
/** One that has answered before and is in nobody's memory: the next call loads it. */
export const idleDeployment: DeploymentState = { ...newDeployment, status: "idle" };

/** So many failures in a row make a deployment `failed`; it is still tried again, slowly. */
export const failureLimit = 3;
/** A replica that was ready for so long has proved that the deployment works. */
const provenReadyMs = 10_000;

export function nextDeployment(state: DeploymentState, event: DeploymentEvent): DeploymentState {
  if (state.status === "stopped") return state;
  switch (event.kind) {
    case "replica_ready":
      return { status: "active", detail: null, failureCount: state.failureCount };
    case "replica_ended": {
      const proven = event.readyMs !== null && event.readyMs >= provenReadyMs;
      const failureCount = (proven ? 0 : state.failureCount) + 1;
      const failed = event.permanent || failureCount >= failureLimit;
      const wasServing = state.status !== "starting" && state.status !== "failed";
      return {
        status: failed ? "failed" : wasServing ? "unhealthy" : state.status,
        detail: event.reason,
        failureCount,
      };
    }
    case "unloaded":
      return state.status === "active" || state.status === "starting" ? { ...state, status: "idle" } : state;
    case "stop_requested":
      return { status: "stopped", detail: null, failureCount: 0 };
  }
}

const firstDelayMs = 100;
const longestDelayMs = 30_000;
const failedDelayMs = 60_000;

/**
 * Milliseconds before the next start: doubling from 100 ms to 30 s, a minute once the deployment has failed, each
 * spread by up to a quarter either way.
 * @param chance in [0, 1)
 */
export function restartDelayMs(state: DeploymentState, chance: number): number {
  const exponent = Math.min(Math.max(0, state.failureCount - 1), 20);
  const base =
    state.status === "failed" ? failedDelayMs : Math.min(longestDelayMs, firstDelayMs * 2 ** exponent);
  return Math.round(base * (0.75 + chance / 2));
}

/** Whether an event made the deployment one that answers, so that it becomes its model's production deployment. */
export function becameActive(before: DeploymentState, after: DeploymentState): boolean {
  return before.status !== "active" && after.status === "active";
}
