// How fast steps compute tokens, smoothed over the last steps, and what a full queue means in seconds.

export interface Throughput {
  /** A step was planned at `nowMs`; `tokenCount` 0 where there was nothing to do. */
  stepPlanned(nowMs: number, tokenCount: number): void;
  /** Seconds until `tokenCount` tokens are computed; null before the first measurement. */
  secondsFor(tokenCount: number): number | null;
}

/** The weight of the newest step; the last ten or so count. */
const newestWeight = 0.1;

export function createThroughput(): Throughput {
  let last: { readonly atMs: number; readonly tokenCount: number } | null = null;
  let msPerToken: number | null = null;
  return {
    stepPlanned(nowMs, tokenCount) {
      if (last !== null && last.tokenCount > 0) {
        const measured = (nowMs - last.atMs) / last.tokenCount;
        msPerToken = msPerToken === null ? measured : msPerToken + newestWeight * (measured - msPerToken);
      }
      last = { atMs: nowMs, tokenCount };
    },
    secondsFor: (tokenCount) => (msPerToken === null ? null : (msPerToken * tokenCount) / 1000),
  };
}
