// One sentence about a run: what took most of its time, and what would change that. Pure.

import type { RunError, RunExplanation, RunPhase } from "@corral/contract";

type Facts = Omit<RunExplanation, "summary">;
type Describe = (facts: Facts) => string;

/** What each phase is, where it took most of the time, and what to do about it. */
const words: Record<RunPhase, Describe> = {
  admission: () =>
    "until its body had arrived and its key was looked up: the caller's connection or the database is slow",
  queue: ({ attempt }) =>
    attempt > 1
      ? `in the queue, over ${attempt} attempts: see its error and logs for what failed before`
      : "in the queue: more replicas or a lower `priority` number would take it sooner",
  load: () =>
    "while its model was loaded: a longer CORRAL_IDLE_SECONDS, or more memory for models, keeps it loaded",
  prepare: () => "while its prompt was rendered and tokenized: it is long, or its template does much",
  slot: () => "waiting for a slot beside other calls of the model: a key's weight, or another replica, helps",
  prefill: (facts) =>
    facts.prompt_tokens === 0
      ? "before its first token"
      : `reading its prompt: ${facts.prompt_tokens - facts.cached_tokens} of ${facts.prompt_tokens} tokens were computed${rateText(facts.prefill_tokens_per_second)}${
          facts.cached_tokens * 2 < facts.prompt_tokens
            ? "; calls that begin with the same text would take them from the prefix cache"
            : ""
        }`,
  decode: (facts) =>
    facts.generated_tokens === 0
      ? "in the model's own code"
      : `generating ${facts.generated_tokens} tokens${rateText(facts.decode_tokens_per_second)}${
          facts.finish_reasons.includes("length")
            ? ", up to the greatest length it was allowed"
            : "; a smaller length or fewer beams would end it sooner"
        }`,
  answer: () => "making the answer after the last token: it is large",
  commit: () => "until its end was written: the database is slow, or far away",
};

export function summarize(facts: Facts, error: RunError | null): string {
  const { status, wall_ms: wallMs, phases } = facts;
  if (wallMs === null) {
    return status === "queued"
      ? "It waits in the queue."
      : `It is running: ${facts.generated_tokens} tokens so far.`;
  }
  const ending = endingOf(facts, error);
  const [first, ...others] = phases;
  if (first === undefined) return `${ending}; how its time was spent is not known.`;
  const longest = others.reduce((most, phase) => (phase.ms > most.ms ? phase : most), first);
  const share = Math.round(longest.share * 100);
  return `${ending} after ${seconds(wallMs)}, ${share} % of it ${words[longest.name](facts)}.`;
}

function endingOf({ status }: Facts, error: RunError | null): string {
  const why = error === null ? "" : ` (${error.code})`;
  if (status === "succeeded") return "It succeeded";
  if (status === "canceled") return `It was canceled${why}`;
  return status === "expired" ? `It expired in the queue${why}` : `It failed${why}`;
}

function rateText(perSecond: number | null): string {
  return perSecond === null ? "" : ` at ${perSecond.toFixed(1)} a second`;
}

function seconds(ms: number): string {
  return ms < 1_000 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(1)} s`;
}
