// When a caller who found the queue full should come again: each is told another place in time, so that they do not
// all return at once. Pure.

export interface RetryPlaces {
  /** A group left the queue for the engine, or left it otherwise: a place became free. */
  placeFreed(nowMs: number): void;
  /** Nobody waits: the time until somebody does is no measure of how fast places become free. */
  queueEmptied(): void;
  /** Seconds until the next place that nobody else was told of, in [0.05, 600]; `fallback` before it is known. */
  next(nowMs: number, fallback: number): number;
}

/** The weight of the newest interval between two freed places. */
const newestWeight = 0.1;
const bounds = { least: 0.05, most: 600 };

export function createRetryPlaces(): RetryPlaces {
  let lastFreedAtMs: number | null = null;
  let intervalMs: number | null = null;
  /** Up to here places are promised. */
  let promisedUntilMs = -Infinity;
  return {
    placeFreed(nowMs) {
      if (lastFreedAtMs !== null) {
        const measured = nowMs - lastFreedAtMs;
        intervalMs = intervalMs === null ? measured : intervalMs + newestWeight * (measured - intervalMs);
      }
      lastFreedAtMs = nowMs;
    },
    queueEmptied() {
      lastFreedAtMs = null;
    },
    next(nowMs, fallback) {
      if (intervalMs === null) return clamp(fallback);
      promisedUntilMs = Math.max(promisedUntilMs, nowMs) + intervalMs;
      const seconds = clamp((promisedUntilMs - nowMs) / 1000);
      promisedUntilMs = Math.min(promisedUntilMs, nowMs + bounds.most * 1000);
      return seconds;
    },
  };
}

function clamp(seconds: number): number {
  return Math.min(bounds.most, Math.max(bounds.least, seconds));
}
