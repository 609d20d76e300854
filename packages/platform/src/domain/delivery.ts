// What becomes of a delivery after each attempt, and when the next one is. Pure.

/** What an attempt came to. */
export type AttemptOutcome =
  | {
      readonly kind: "answered";
      readonly status: number;
      /** What the receiver asks for; null: nothing. */
      readonly retryAfterMs: number | null;
      /** The beginning of its answer. */
      readonly excerpt: string;
    }
  /** No answer came. */
  | { readonly kind: "failed"; readonly reason: string }
  /** Nothing was sent: the URL leads where it must not. */
  | { readonly kind: "refused"; readonly problem: string };

export type Verdict =
  | { readonly kind: "succeeded"; readonly status: number }
  | {
      readonly kind: "retry";
      readonly status: number | null;
      readonly error: string;
      readonly delayMs: number;
    }
  | { readonly kind: "dead"; readonly status: number | null; readonly error: string };

/** Attempts in all. */
export const mostAttempts = 10;
const firstDelayMs = 10_000;
const mostDelayMs = 6 * 3_600_000;

/**
 * @param attempt of which this is the outcome, from 1
 * @param chance from 0 (included) to 1
 */
export function verdictOf(outcome: AttemptOutcome, attempt: number, chance: number): Verdict {
  switch (outcome.kind) {
    case "refused":
      return { kind: "dead", status: null, error: `The URL ${outcome.problem}.` };
    case "failed":
      return again(null, outcome.reason, attempt, chance, null);
    case "answered": {
      const { status, retryAfterMs, excerpt } = outcome;
      if (status >= 200 && status < 300) return { kind: "succeeded", status };
      const error = `The receiver answered ${status}${excerpt === "" ? "." : `: ${excerpt}`}`;
      if (status === 408 || status === 429 || status >= 500)
        return again(status, error, attempt, chance, retryAfterMs);
      if (status >= 300 && status < 400)
        return {
          kind: "dead",
          status,
          error: `The receiver answered ${status}; redirects are not followed.`,
        };
      return { kind: "dead", status, error };
    }
  }
}

function again(
  status: number | null,
  error: string,
  attempt: number,
  chance: number,
  retryAfterMs: number | null,
): Verdict {
  if (attempt >= mostAttempts) return { kind: "dead", status, error };
  const delayMs = Math.min(Math.max(retryDelayMs(attempt, chance), retryAfterMs ?? 0), mostDelayMs);
  return { kind: "retry", status, error, delayMs };
}

/**
 * Pause after the attempt of that number: any time up to 10 s, 40 s, 160 s … at most 6 h. All pauses together are
 * 11 hours on average and 22 at most.
 * Source: "full jitter" of the AWS Architecture Blog, Exponential Backoff And Jitter; with at least a second.
 */
export function retryDelayMs(attempt: number, chance: number): number {
  const mostMs = Math.min(mostDelayMs, firstDelayMs * 4 ** (attempt - 1));
  return Math.max(1_000, Math.floor(chance * mostMs));
}
