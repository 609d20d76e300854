// How long to wait before a code worker is started again. Pure.

/** The first restart is at once: most crashes are one call's. */
const firstDelayMs = 100;
const longestDelayMs = 30_000;

/** @param failureCount ends without a minute of service before them, in a row; from 1 */
export function restartDelay(failureCount: number): number {
  return failureCount <= 1 ? 0 : Math.min(longestDelayMs, firstDelayMs * 2 ** (failureCount - 2));
}
