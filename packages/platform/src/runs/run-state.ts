// What a run's state is after each thing that can happen to it. Pure: the SQL of `write-changes.ts`, of `queue/` and of
// the trigger in migration 0012 mirrors it.

import { errorTable, type ErrorCode, type RunStatus, type Usage } from "@corral/contract";

export interface RunState {
  readonly status: RunStatus;
  readonly usage: Usage;
  /** False until the run's own last report: what counts then is the last one before the replica was lost. */
  readonly usageComplete: boolean;
  /** How often a replica was given it, at most `maxAttempts`. */
  readonly attempt: number;
  /** Null: its caller waits for it, and nothing is tried again. */
  readonly maxAttempts: number | null;
  /** Whether a replica has it now. */
  readonly isGiven: boolean;
  /** Somebody asked for its end while a replica had it. */
  readonly cancelRequested: boolean;
}

export type RunEvent =
  | { readonly kind: "given" }
  | { readonly kind: "started"; readonly promptTokenCount: number }
  | { readonly kind: "progress"; readonly usage: Usage }
  | {
      readonly kind: "finished";
      readonly status: "succeeded" | "failed" | "canceled";
      readonly usage: Usage;
      /** See `mayBeRetried`. */
      readonly mayRetry: boolean;
    }
  /** The replica's answer where the run never started in it. */
  | { readonly kind: "refused"; readonly mayRetry: boolean }
  /** It could not be given to the replica after all; that was no attempt. */
  | { readonly kind: "returned" }
  | { readonly kind: "replica_lost" }
  /** Nothing is heard of the process that carries it out. */
  | { readonly kind: "worker_lost" }
  | { readonly kind: "cancel_requested" }
  | { readonly kind: "expired" };

const noUsage: Usage = { prompt_tokens: 0, cached_tokens: 0, generated_tokens: 0 };

/** Of a call whose caller waits: it is given at once, and once. */
export const queuedRun: RunState = {
  status: "queued",
  usage: noUsage,
  usageComplete: false,
  attempt: 1,
  maxAttempts: null,
  isGiven: true,
  cancelRequested: false,
};

/** Of a call that waits in the queue. */
export function waitingRun(maxAttempts: number): RunState {
  return { ...queuedRun, attempt: 0, maxAttempts, isGiven: false };
}

export function isTerminal(status: RunStatus): boolean {
  return status !== "queued" && status !== "running";
}

/**
 * Invariant: a terminal state absorbs every event, a run is given at most `maxAttempts` times, and counts never fall
 * within an attempt.
 */
export function nextRunState(state: RunState, event: RunEvent): RunState {
  if (isTerminal(state.status)) return state;
  const { status, isGiven, attempt } = state;
  switch (event.kind) {
    case "given":
      return isGiven ? state : { ...state, isGiven: true, attempt: attempt + 1 };
    case "started":
      if (!isGiven) return state;
      return {
        ...state,
        status: "running",
        usage: largest(state.usage, { ...noUsage, prompt_tokens: event.promptTokenCount }),
      };
    case "progress":
      return isGiven ? { ...state, status: "running", usage: largest(state.usage, event.usage) } : state;
    case "finished":
      return isGiven
        ? ended({ ...state, status: event.status, usage: event.usage, usageComplete: true }, event.mayRetry)
        : state;
    case "refused":
      return status === "queued" ? ended({ ...state, status: "failed" }, event.mayRetry) : state;
    case "returned":
      return isGiven && status === "queued" ? { ...state, isGiven: false, attempt: attempt - 1 } : state;
    case "replica_lost":
      return isGiven ? ended({ ...state, status: "failed" }, true) : state;
    case "worker_lost":
      // What has started ends by its replica's reports, or is lost with it.
      return isGiven && status === "queued" ? ended({ ...state, status: "failed" }, true) : state;
    case "cancel_requested":
      return status === "queued" ? { ...state, status: "canceled" } : { ...state, cancelRequested: true };
    case "expired":
      return isGiven ? state : { ...state, status: "expired" };
  }
}

/** An attempt that ended in `state.status`: the run's end, or it waits for the next one. */
function ended(state: RunState, mayRetry: boolean): RunState {
  const { maxAttempts } = state;
  if (!mayRetry || state.status === "succeeded" || maxAttempts === null) return state;
  if (state.cancelRequested) return { ...state, status: "canceled" };
  // Nobody is there who could have left: the process that carried it out ended.
  if (state.attempt >= maxAttempts) return { ...state, status: "failed" };
  return { ...state, status: "queued", usage: noUsage, usageComplete: false, isGiven: false };
}

/** Statuses of failures that the next attempt may not meet. */
const passing: ReadonlySet<number> = new Set([500, 502, 503, 504]);

/** Whether a queued run whose attempt ended with this error is worth another one. */
export function mayBeRetried(code: ErrorCode): boolean {
  return code === "client_closed" || passing.has(errorTable[code].status);
}

/** The pause after an attempt, from 1: twice the one before. */
export function retryPauseMs(
  attempt: number,
  { initialDelayMs, maxDelayMs }: { readonly initialDelayMs: number; readonly maxDelayMs: number },
): number {
  return Math.min(maxDelayMs, initialDelayMs * 2 ** Math.max(0, attempt - 1));
}

/** Count by count: reports may be seen twice or late, and a count only grows. */
export function largest(a: Usage, b: Usage): Usage {
  return {
    prompt_tokens: Math.max(a.prompt_tokens, b.prompt_tokens),
    cached_tokens: Math.max(a.cached_tokens, b.cached_tokens),
    generated_tokens: Math.max(a.generated_tokens, b.generated_tokens),
  };
}
