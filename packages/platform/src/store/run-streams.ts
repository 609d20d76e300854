// The text of runs as it comes: what is new of many runs at once. It is written by `../runs/write-changes.ts`.

import type { RunError, RunStatus, RunText, Timings } from "@corral/contract";
import type { FinishReason } from "@corral/contract";
import { withRetry } from "./retry.ts";
import type { Store } from "./store.ts";

/** Where a reader is in a run's text: what it has of which attempt, in UTF-16 code units. */
export interface TextPlace {
  readonly attempt: number;
  readonly at: number;
}

export interface WatchedRun {
  readonly id: string;
  readonly status: RunStatus;
  readonly attempt: number;
  /** Of the attempt; null: its text is not kept piece by piece. */
  readonly text_length: number | null;
  readonly error: RunError | null;
  readonly finish_reasons: readonly FinishReason[];
  readonly prompt_tokens: number;
  readonly cached_tokens: number;
  readonly generated_tokens: number;
  readonly usage_complete: boolean;
  readonly timings_ms: Timings | null;
  readonly finished_at: Date | null;
}

const watched = {
  name: "watched-runs",
  text: `select id, status, attempt, text_length, error, finish_reasons, prompt_tokens, cached_tokens, generated_tokens,
      usage_complete, timings_ms, finished_at
    from runs where id = any ($1::uuid[])`,
};

/** By id; a run that was removed is not in it. */
export async function readWatchedRuns(
  { db, pool }: Pick<Store, "db" | "pool">,
  ids: readonly string[],
): Promise<ReadonlyMap<string, WatchedRun>> {
  const { rows } = await withRetry(db, () => pool.query<WatchedRun>({ ...watched, values: [ids] }));
  return new Map(rows.map((row) => [row.id, row]));
}

/** At most so many reports' worth of text at once. */
const mostRows = 500;

interface TextRow {
  readonly at_offset: number;
  readonly pieces: string;
}

/** What comes after the place, in order; at most some of it. The first piece may begin before the place. */
export async function readTextAfter(
  { db, pool }: Pick<Store, "db" | "pool">,
  runId: string,
  { attempt, at }: TextPlace,
): Promise<readonly RunText[]> {
  const statement = {
    name: "text-after",
    text: `select at_offset, pieces from run_texts
      where run_id = $1 and attempt = $2 and at_offset + length > $3 order by at_offset limit ${mostRows}`,
    values: [runId, attempt, at],
  };
  const { rows } = await withRetry(db, () => pool.query<TextRow>(statement));
  return rows.map(({ at_offset, pieces }) => ({
    at: at_offset,
    pieces: JSON.parse(pieces) as RunText["pieces"],
  }));
}
