// Runs leave, what they used stays: a trigger of the database adds the counts of every deleted run to the sums of its day,
// with the same commit. That is why a deletion is enough, and none can be counted twice.

import { sql } from "kysely";
import { withRetry } from "../store/retry.ts";
import type { Db } from "../store/schema.ts";

/** Deletes those of the runs that have ended, keeping their counts; answers their ids. */
export function foldRuns(db: Db, ids: readonly string[]): Promise<string[]> {
  if (ids.length === 0) return Promise.resolve([]);
  return withRetry(db, async () => {
    const { rows } = await sql<{ id: string }>`
      delete from runs where id = any (${ids}::uuid[]) and status not in ('queued', 'running') returning id
    `.execute(db);
    return rows.map(({ id }) => id);
  });
}
