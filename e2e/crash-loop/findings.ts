// What must hold after processes were killed under load, and what was found. Pure.

import type { Acknowledged, Usage } from "./callers.ts";

export interface KeptRun {
  readonly run_id: string;
  readonly status: string;
  readonly usage: Usage | null;
  readonly usage_complete: boolean;
}

export interface Delivery {
  readonly id: string | null;
  readonly runId: string;
}

const terminal: ReadonlySet<string> = new Set(["succeeded", "failed", "canceled", "expired"]);

/** One sentence for each thing that must not be. */
export function findingsOf(
  acknowledged: readonly Acknowledged[],
  runs: ReadonlyMap<string, KeptRun>,
  deliveries: readonly Delivery[],
): string[] {
  const findings: string[] = [];
  const idsByRun = Map.groupBy(deliveries, ({ runId }) => runId);
  const seen = new Set<string>();
  for (const { kind, runId, usage, isLater, isDelivered } of acknowledged) {
    if (seen.has(runId)) findings.push(`run ${runId} was acknowledged twice`);
    seen.add(runId);
    const run = runs.get(runId);
    if (run === undefined) {
      findings.push(`${kind}: run ${runId} was acknowledged and is gone`);
      continue;
    }
    if (!terminal.has(run.status)) findings.push(`${kind}: run ${runId} is still ${run.status}`);
    if (!isLater && run.status !== "succeeded")
      findings.push(`${kind}: run ${runId} was answered 200 and is ${run.status}`);
    if (usage !== null && !sameUsage(usage, run.usage))
      findings.push(
        `${kind}: run ${runId} told ${JSON.stringify(usage)} and kept ${JSON.stringify(run.usage)}`,
      );
    if (!isDelivered) continue;
    const ids = new Set((idsByRun.get(runId) ?? []).map(({ id }) => id));
    if (ids.size === 0) findings.push(`${kind}: the result of run ${runId} (${run.status}) never arrived`);
    if (ids.size > 1) findings.push(`${kind}: the result of run ${runId} came under ${ids.size} ids`);
    if (ids.has(null)) findings.push(`${kind}: the result of run ${runId} came without an id`);
  }
  for (const { run_id: runId, status } of runs.values())
    if (!terminal.has(status) && !seen.has(runId))
      findings.push(`run ${runId}, of nobody, is still ${status}`);
  return findings;
}

/** Sum over runs, as the report of usage must tell it. */
export function totalOf(runs: Iterable<KeptRun>): Usage & { readonly runs: number } {
  const total = { runs: 0, prompt_tokens: 0, cached_tokens: 0, generated_tokens: 0 };
  for (const { usage } of runs) {
    total.runs += 1;
    total.prompt_tokens += usage?.prompt_tokens ?? 0;
    total.cached_tokens += usage?.cached_tokens ?? 0;
    total.generated_tokens += usage?.generated_tokens ?? 0;
  }
  return total;
}

function sameUsage(told: Usage, kept: Usage | null): boolean {
  return (
    kept !== null &&
    told.prompt_tokens === kept.prompt_tokens &&
    told.cached_tokens === kept.cached_tokens &&
    told.generated_tokens === kept.generated_tokens
  );
}
