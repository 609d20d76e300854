// What a run's state is after each thing that can happen to it. Pure: the SQL of `recorder.ts` mirrors it.

import type { RunStatus, Usage } from "@corral/contract";

export interface RunState {
  readonly status: RunStatus;
  readonly usage: Usage;
  /** False until the run's own last report: what counts then is the last one before the replica was lost. */
  readonly usageComplete: boolean;
}

export type RunEvent =
  | { readonly kind: "started"; readonly promptTokenCount: number }
  | { readonly kind: "progress"; readonly usage: Usage }
  | { readonly kind: "finished"; readonly status: "succeeded" | "failed" | "canceled"; readonly usage: Usage }
  | { readonly kind: "replica_lost" }
  | { readonly kind: "expired" };

const noUsage: Usage = { prompt_tokens: 0, cached_tokens: 0, generated_tokens: 0 };

export const queuedRun: RunState = { status: "queued", usage: noUsage, usageComplete: false };

export function isTerminal(status: RunStatus): boolean {
  return status !== "queued" && status !== "running";
}

/** Invariant: a terminal state absorbs every event, and counts never fall before it. */
export function nextRunState(state: RunState, event: RunEvent): RunState {
  if (isTerminal(state.status)) return state;
  switch (event.kind) {
    case "started":
      return {
        ...state,
        status: "running",
        usage: largest(state.usage, { ...noUsage, prompt_tokens: event.promptTokenCount }),
      };
    case "progress":
      return { ...state, status: "running", usage: largest(state.usage, event.usage) };
    case "finished":
      return { status: event.status, usage: event.usage, usageComplete: true };
    case "replica_lost":
      return { ...state, status: "failed" };
    case "expired":
      return { ...state, status: "expired" };
  }
}

/** Count by count: reports may be seen twice or late, and a count only grows. */
export function largest(a: Usage, b: Usage): Usage {
  return {
    prompt_tokens: Math.max(a.prompt_tokens, b.prompt_tokens),
    cached_tokens: Math.max(a.cached_tokens, b.cached_tokens),
    generated_tokens: Math.max(a.generated_tokens, b.generated_tokens),
  };
}
