// Many reports of one replica as one change per run, so that a commit writes each row once. Pure: it answers to
// the same machine as `run-state.ts`, without knowing the state that the database holds.

import type { Report, ReportBody, RunText, Usage } from "@corral/contract";
import { largest } from "./run-state.ts";

type Finished = Extract<ReportBody, { kind: "finished" }>;
type Started = Extract<ReportBody, { kind: "started" }>;

export interface RunChange {
  readonly runId: string;
  readonly replicaId: string;
  readonly started: { readonly report: Started; readonly at: Date } | null;
  readonly firstTokenAt: Date | null;
  /** The largest counts of the reports before the last one. */
  readonly usage: Usage;
  readonly finished: { readonly report: Finished; readonly at: Date } | null;
  /** In the order they came. */
  readonly texts: readonly RunText[];
}

export interface Batch {
  readonly replicaId: string;
  readonly reports: readonly Report[];
  /** When it arrived. */
  readonly at: Date;
}

export interface Folded {
  readonly changes: readonly RunChange[];
  /** By replica: the number up to which everything is in `changes` or was committed before. */
  readonly lastReports: ReadonlyMap<string, number>;
}

/**
 * `lastReports` has the committed number of every replica. A number up to it is a repetition and ignored. One that
 * leaves a gap ends its batch: were it taken, acknowledging it would acknowledge the missing one too.
 */
export function foldReports(batches: readonly Batch[], lastReports: ReadonlyMap<string, number>): Folded {
  const numbers = new Map(lastReports);
  const changes = new Map<string, RunChange>();
  for (const { replicaId, reports, at } of batches) {
    let last = numbers.get(replicaId) ?? 0;
    for (const { number, report } of reports) {
      if (number <= last) continue;
      if (number > last + 1) break;
      last = number;
      if (!("run_id" in report) || report.kind === "reserve") continue;
      // A run belongs to one replica: another's reports on it stay apart, and the database refuses them.
      const key = `${replicaId} ${report.run_id}`;
      changes.set(key, next(changes.get(key) ?? unchanged(report.run_id, replicaId), report, at));
    }
    numbers.set(replicaId, last);
  }
  return { changes: [...changes.values()], lastReports: numbers };
}

function unchanged(runId: string, replicaId: string): RunChange {
  const usage = { prompt_tokens: 0, cached_tokens: 0, generated_tokens: 0 };
  return { runId, replicaId, started: null, firstTokenAt: null, usage, finished: null, texts: [] };
}

/** Of all that the run's reports said; null: they said nothing of its text. */
export function textLengthOf({ started, texts }: RunChange): number | null {
  const last = texts.at(-1);
  if (last !== undefined) return last.at + lengthOf(last);
  return started?.report.follows_text === true ? 0 : null;
}

export function lengthOf({ pieces }: RunText): number {
  return pieces.reduce((sum, [, , text]) => sum + text.length, 0);
}

type RunReport = Exclude<Extract<ReportBody, { run_id: string }>, { kind: "reserve" }>;

/** By the replica's clock, which may go before ours: no token comes after its report. */
function firstTokenOf({ at_ms: atMs }: Extract<ReportBody, { kind: "first_token" }>, at: Date): Date {
  return atMs === undefined ? at : new Date(Math.min(atMs, at.getTime()));
}

function next(change: RunChange, report: RunReport, at: Date): RunChange {
  if (change.finished !== null) return change;
  switch (report.kind) {
    case "started":
      return {
        ...change,
        started: change.started ?? { report, at },
        usage: largest(change.usage, { ...change.usage, prompt_tokens: report.prompt_tokens }),
      };
    case "first_token":
      return { ...change, firstTokenAt: change.firstTokenAt ?? firstTokenOf(report, at) };
    case "progress":
      return {
        ...change,
        usage: largest(change.usage, report),
        texts: report.text === undefined ? change.texts : [...change.texts, report.text],
      };
    case "finished":
      return { ...change, finished: { report, at } };
  }
}
