// Lists in pages, newest first. A cursor is the place after the last row shown, so rows that arrive meanwhile
// neither repeat nor hide others.

import { ServingError } from "@corral/contract";
import { sql, type RawBuilder } from "kysely";

export interface PageQuery {
  /** At most so many rows. */
  readonly limit: number;
  readonly cursor?: string | undefined;
}

export interface Page<Row> {
  readonly items: readonly Row[];
  readonly nextCursor: string | null;
}

interface Place {
  readonly created_at: Date;
  readonly id: string;
}

/** The condition that a row of `table` comes after the cursor, in the order `created_at desc, id desc`. */
export function afterCursor(table: string, cursor: string | undefined): RawBuilder<boolean> {
  if (cursor === undefined) return sql<boolean>`true`;
  const { created_at, id } = readCursor(cursor);
  return sql<boolean>`(${sql.ref(`${table}.created_at`)}, ${sql.ref(`${table}.id`)}) < (${created_at}, ${id})`;
}

/** The page out of `limit + 1` rows: the extra one only tells that there are more. */
export function pageOf<Row extends Place>(rows: readonly Row[], limit: number): Page<Row> {
  const items = rows.slice(0, limit);
  const last = items.at(-1);
  return { items, nextCursor: rows.length > limit && last !== undefined ? writeCursor(last) : null };
}

function writeCursor({ created_at, id }: Place): string {
  return Buffer.from(JSON.stringify([created_at.getTime(), id])).toString("base64url");
}

/** The year 10000: PostgreSQL's times end elsewhere than JavaScript's. */
const latestMs = 253_402_300_800_000;

/** Fails with `invalid_parameter` for a text that no page gave out. */
function readCursor(cursor: string): Place {
  try {
    const [time, id] = JSON.parse(Buffer.from(cursor, "base64url").toString()) as unknown[];
    const created_at = new Date(time as number);
    if (typeof time === "number" && time >= 0 && time < latestMs && typeof id === "string") {
      return { created_at, id };
    }
  } catch {
    // Not one of ours: told below.
  }
  const message = "cursor is not one that a list answered with; leave it out to begin at the newest.";
  throw new ServingError("invalid_parameter", message, {
    errors: [{ pointer: "/cursor", code: "invalid_parameter", message }],
  });
}
