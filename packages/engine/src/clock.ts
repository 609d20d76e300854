// Port: time as an argument. The engine's process passes a monotonic one, tests pass `testing/fake-clock.ts`.

export interface Clock {
  /** Milliseconds since the epoch, never going back. */
  now(): number;
}

/** A clock that starts at the system's time and then only counts up, whatever happens to the system's time. */
export function createMonotonicClock(): Clock {
  const startMs = Date.now() - performance.now();
  return { now: () => startMs + performance.now() };
}
