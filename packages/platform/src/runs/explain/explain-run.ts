// Where a run's time went: its phases, its rates, and one sentence. Pure.

import { runPhases, type RunExplanation, type RunPhase } from "@corral/contract";
import type { RunRow } from "../../store/schema.ts";
import { isTerminal } from "../run-state.ts";
import { summarize } from "./summarize.ts";

export type ExplainedRow = Pick<
  RunRow,
  | "id"
  | "status"
  | "error"
  | "timings_ms"
  | "created_at"
  | "first_token_at"
  | "finished_at"
  | "prompt_tokens"
  | "cached_tokens"
  | "generated_tokens"
  | "finish_reasons"
  | "asynchronous"
  | "attempt"
  | "parameters"
>;

export function explainRun(row: ExplainedRow): RunExplanation {
  const wallMs = wallOf(row);
  const phases = wallMs === null ? [] : phasesOf(row, wallMs);
  const { timings_ms: timings, first_token_at: firstAt, created_at: createdAt } = row;
  const computed = row.prompt_tokens - row.cached_tokens;
  const facts = {
    run_id: row.id,
    status: row.status,
    wall_ms: wallMs,
    phases,
    time_to_first_token_ms: firstAt === null ? null : Math.max(0, firstAt.getTime() - createdAt.getTime()),
    prompt_tokens: row.prompt_tokens,
    cached_tokens: row.cached_tokens,
    generated_tokens: row.generated_tokens,
    prefill_tokens_per_second: rate(computed, timings?.prefill),
    // The first token is the prefill's.
    decode_tokens_per_second: rate(row.generated_tokens - 1, timings?.decode),
    finish_reasons: row.finish_reasons,
    attempt: row.attempt,
    parameters: row.parameters,
  };
  return { ...facts, summary: summarize(facts, row.error) };
}

/** To the millisecond: as times are kept. The phases were measured more finely, by one clock, and may be longer. */
function wallOf({ status, created_at, finished_at, timings_ms }: ExplainedRow): number | null {
  if (!isTerminal(status) || finished_at === null) return null;
  return Math.max(finished_at.getTime() - created_at.getTime(), timings_ms?.total ?? 0);
}

function phasesOf(row: ExplainedRow, wallMs: number): RunExplanation["phases"] {
  const { timings_ms: timings, asynchronous } = row;
  if (timings === null) return [];
  const inReplica = timings.load + timings.queue + timings.prefill + timings.decode;
  const { admission = 0, prepare = 0 } = timings;
  const slot = Math.min(timings.queue, timings.slot ?? timings.queue);
  // Where the total has more than its parts, the answer was being made.
  const answer = timings.answer ?? Math.max(0, timings.total - inReplica - admission - prepare);
  const known = inReplica + admission + prepare + answer;
  const rest = Math.max(0, wallMs - known);
  const ms: Record<RunPhase, number> = {
    admission,
    // Attempts that failed before are of the queue's time, too; its commit is a few milliseconds of that.
    queue: timings.queue - slot + (asynchronous ? rest : 0),
    load: timings.load,
    prepare,
    slot,
    prefill: timings.prefill,
    decode: timings.decode,
    answer,
    commit: asynchronous ? 0 : rest,
  };
  return runPhases.map((name) => ({
    name,
    ms: rounded(ms[name], 3),
    share: wallMs === 0 ? 0 : rounded(ms[name] / wallMs, 4),
  }));
}

/** Per second; null where nothing was counted or no time passed. */
function rate(tokens: number, ms: number | undefined): number | null {
  return ms === undefined || ms <= 0 || tokens <= 0 ? null : rounded((tokens / ms) * 1_000, 2);
}

function rounded(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
