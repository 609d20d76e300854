// Which replica answers a call. Pure: no sockets, no clock.

export interface Candidate {
  readonly ready: boolean;
  /** Calls that are on their way to it or running in it, as this process counts them. */
  readonly inFlightCount: number;
}

/** The ready replica with the fewest calls in flight, the first of several; null where none is ready. */
export function selectReplica<T extends Candidate>(candidates: Iterable<T>): T | null {
  let best: T | null = null;
  for (const candidate of candidates) {
    if (candidate.ready && (best === null || candidate.inFlightCount < best.inFlightCount)) best = candidate;
  }
  return best;
}
