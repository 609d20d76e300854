// One receiver of webhooks as the sender sees it: how many calls it may have at once, and a breaker that keeps a dead
// one from being asked by every delivery. Pure.
//
// closed → (failures in a row) → open → (pause over) → one probe → closed, or open for twice as long.

export interface Endpoint {
  readonly inFlightCount: number;
  /** Failures since the last success. */
  readonly failureCount: number;
  /** When the last of them was; null: there was none. */
  readonly lastFailedMs: number | null;
  /** No call before that; null: closed. */
  readonly openUntilMs: number | null;
  /** Of the last pause. */
  readonly openMs: number;
}

export interface EndpointLimits {
  /** Calls at once. */
  readonly inFlightCount: number;
  /** So many failures in a row open the breaker. */
  readonly failureCount: number;
  readonly firstOpenMs: number;
  readonly mostOpenMs: number;
}

export const endpointLimits: EndpointLimits = {
  inFlightCount: 4,
  failureCount: 5,
  firstOpenMs: 15_000,
  mostOpenMs: 10 * 60_000,
};

export const newEndpoint: Endpoint = {
  inFlightCount: 0,
  failureCount: 0,
  lastFailedMs: null,
  openUntilMs: null,
  openMs: 0,
};

/** How many calls may begin now. */
export function freeCount(endpoint: Endpoint, nowMs: number, limits = endpointLimits): number {
  const { inFlightCount, openUntilMs } = endpoint;
  if (openUntilMs === null) return Math.max(0, limits.inFlightCount - inFlightCount);
  return openUntilMs <= nowMs && inFlightCount === 0 ? 1 : 0;
}

export function begun(endpoint: Endpoint): Endpoint {
  return { ...endpoint, inFlightCount: endpoint.inFlightCount + 1 };
}

/**
 * @param failed whether the receiver did not answer or could not take it; a refusal in plain words is an answer
 * @param pauseMs what it asked for itself
 */
export function ended(
  endpoint: Endpoint,
  failed: boolean,
  pauseMs: number | null,
  nowMs: number,
  limits = endpointLimits,
): Endpoint {
  const inFlightCount = endpoint.inFlightCount - 1;
  if (!failed) return { ...newEndpoint, inFlightCount };
  const failureCount = endpoint.failureCount + 1;
  const { openUntilMs, openMs } = endpoint;
  // Of calls that were on their way when it opened, one is as good as all.
  const isLate = openUntilMs !== null && openUntilMs > nowMs;
  const opens = !isLate && (openUntilMs !== null || failureCount >= limits.failureCount);
  const nextOpenMs = opens ? Math.min(limits.mostOpenMs, Math.max(limits.firstOpenMs, openMs * 2)) : openMs;
  const asked = pauseMs === null || pauseMs <= 0 ? null : nowMs + Math.min(pauseMs, limits.mostOpenMs);
  const until = Math.max(opens ? nowMs + nextOpenMs : (openUntilMs ?? 0), asked ?? 0);
  return {
    inFlightCount,
    failureCount,
    lastFailedMs: nowMs,
    openUntilMs: until === 0 ? null : until,
    openMs: nextOpenMs,
  };
}

/** Whether nothing is under way, and what it failed at is so long ago that it counts no more. */
export function isForgettable(endpoint: Endpoint, nowMs: number, limits = endpointLimits): boolean {
  const { inFlightCount, lastFailedMs, openUntilMs } = endpoint;
  if (inFlightCount > 0) return false;
  return lastFailedMs === null || Math.max(lastFailedMs, openUntilMs ?? 0) + limits.mostOpenMs < nowMs;
}
