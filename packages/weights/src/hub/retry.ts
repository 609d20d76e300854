// Trying again after failures that pass, a bounded number of times.

import { setTimeout as pause } from "node:timers/promises";
import { PassingFailure } from "./failures.ts";

export interface RetryRule {
  /** Failures in a row, without progress between them, until the last one is thrown. */
  readonly tries: number;
  /** Wait after the first failure; it doubles with each further one. */
  readonly baseMs: number;
  /** No wait is longer; a server that asks for more is not waited for. */
  readonly maxMs: number;
}

export const defaultRetryRule: RetryRule = { tries: 6, baseMs: 500, maxMs: 60_000 };

/**
 * Runs `attempt` until it succeeds. A `PassingFailure` is followed by a wait and another try, all other errors are
 * thrown at once. `progressed` tells whether the failed try got further than those before it: then the count starts anew.
 */
export async function withRetries<Result>(
  attempt: () => Promise<Result>,
  rule: RetryRule,
  signal: AbortSignal,
  progressed: () => boolean = () => false,
): Promise<Result> {
  for (let failures = 1; ; failures += 1) {
    try {
      return await attempt();
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof PassingFailure)) throw error;
      if (progressed()) failures = 1;
      const waitMs = waitAfter(failures, error.retryAfterSeconds, rule);
      if (waitMs === null) throw giveUp(error, failures);
      await pause(waitMs, undefined, { signal });
    }
  }
}

function giveUp(error: PassingFailure, failures: number): PassingFailure {
  const { message, retryAfterSeconds: seconds } = error;
  const again = seconds === null ? "try again later" : `it asks to be left alone for ${seconds} s`;
  return new PassingFailure(`${message} Tried ${failures === 1 ? "once" : `${failures} times`}; ${again}.`, {
    cause: error,
    ...(seconds === null ? {} : { retryAfterSeconds: seconds }),
  });
}

/** Milliseconds to wait after so many failures in a row; null: give up. */
export function waitAfter(
  failures: number,
  retryAfterSeconds: number | null,
  rule: RetryRule,
): number | null {
  if (failures >= rule.tries) return null;
  const asked = (retryAfterSeconds ?? 0) * 1000;
  if (asked > rule.maxMs) return null;
  return Math.max(asked, Math.min(rule.baseMs * 2 ** (failures - 1), rule.maxMs));
}
