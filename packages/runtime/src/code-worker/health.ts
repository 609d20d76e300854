// What becomes of code by what it says of its health, as `runtime.health_checks` has it: no more calls, then another
// process. Pure.

export interface HealthThresholds {
  /** Nothing is asked before the code has run for so long. */
  readonly delayMs: number;
  /** So long it must have been unhealthy, without a break, before it gets no more calls; null: never. */
  readonly stopTrafficMs: number | null;
  /** The same, before its process is ended and started again. */
  readonly restartMs: number | null;
}

export interface HealthState {
  /** When the first of the failed checks in a row was; null: the last one was good, or there was none. */
  readonly failingSinceMs: number | null;
  readonly isStopped: boolean;
}

export const healthy: HealthState = { failingSinceMs: null, isStopped: false };

export type HealthAction = "none" | "stop_traffic" | "resume_traffic" | "restart";

/** A check that was not answered in time counts as one that failed. */
export function afterCheck(
  state: HealthState,
  { isHealthy, nowMs }: { readonly isHealthy: boolean; readonly nowMs: number },
  { stopTrafficMs, restartMs }: HealthThresholds,
): { readonly state: HealthState; readonly action: HealthAction } {
  if (isHealthy) return { state: healthy, action: state.isStopped ? "resume_traffic" : "none" };
  const failingSinceMs = state.failingSinceMs ?? nowMs;
  const failedMs = nowMs - failingSinceMs;
  if (restartMs !== null && failedMs >= restartMs) return { state: healthy, action: "restart" };
  if (stopTrafficMs === null || failedMs < stopTrafficMs)
    return { state: { ...state, failingSinceMs }, action: "none" };
  return { state: { failingSinceMs, isStopped: true }, action: state.isStopped ? "none" : "stop_traffic" };
}
