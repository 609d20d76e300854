// What a failing database means to a caller: which failures pass by themselves, how long they are waited for,
// and the one error that says the database is away. Knows no table.

import { setTimeout as sleep } from "node:timers/promises";
import { ServingError } from "@corral/contract";
import type { Kysely, Transaction } from "kysely";

/** A killed postmaster is back within about a second; this leaves room for a slow disk's recovery. */
export const retryForMs = 8_000;

/** Of one attempt of a query that a call waits for; a silent server is told from a slow one by it. */
export const callQueryMs = 5_000;

export interface RetryOptions {
  /** How long failures are retried, from the first attempt on. Default: `retryForMs`. */
  readonly forMs?: number;
}

/**
 * Runs an idempotent operation until the database answers, at most `forMs` milliseconds. An attempt whose answer
 * was lost may have been committed: the operation must give the same result when it is run again.
 * Inside a transaction it runs once, since what is lost is the whole transaction; wrap that instead.
 * Fails with `database_unavailable`.
 */
export async function withRetry<Result, DB>(
  db: Kysely<DB>,
  operation: () => Promise<Result>,
  options: RetryOptions = {},
): Promise<Result> {
  if (db.isTransaction) return operation();
  const giveUpAt = performance.now() + (options.forMs ?? retryForMs);
  for (let attempt = 0; ; attempt++) {
    try {
      return await operation();
    } catch (error) {
      const delayMs = retryDelayMs(attempt);
      if (!isPassing(error) || performance.now() + delayMs > giveUpAt) throw storeError(error);
      await sleep(delayMs);
    }
  }
}

/** Runs `operation` in a transaction of its own, or in the one that `db` already is. */
export function inTransaction<Result, DB>(
  db: Kysely<DB>,
  operation: (transaction: Kysely<DB>) => Promise<Result>,
): Promise<Result> {
  if (db.isTransaction) return operation(db);
  return db.transaction().execute((transaction: Transaction<DB>) => operation(transaction));
}

/** 20, 40, 80 … at most 500 milliseconds. */
export function retryDelayMs(attempt: number): number {
  return Math.min(500, 20 * 2 ** Math.min(attempt, 10));
}

/** True for failures that say nothing about the statement: the connection, the server or a neighbour was in the way. */
export function isPassing(error: unknown): boolean {
  return isConnectionLoss(error) || ["40001", "40P01", "55P03"].includes(codeOf(error));
}

const connectionCodes = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "ECONNABORTED",
  "ENOENT",
  "EPIPE",
  "ENOTFOUND",
  "EAI_AGAIN",
  "ETIMEDOUT",
  "EHOSTUNREACH",
  "ENETUNREACH",
  // admin_shutdown, crash_shutdown, cannot_connect_now, too_many_connections, query_canceled by a time limit.
  "57P01",
  "57P02",
  "57P03",
  "53300",
  "57014",
]);

/** pg raises these without a code. */
const connectionMessages =
  /connection terminated|query read timeout|connection ended|client has encountered a connection error|client was closed|timeout exceeded when trying to connect|not queryable/i;

/** No answer came within the client's own limit. */
export function isUnanswered(error: unknown): boolean {
  return error instanceof Error && error.message === "Query read timeout";
}

export function isConnectionLoss(error: unknown): boolean {
  if (error instanceof AggregateError) return error.errors.some(isConnectionLoss);
  const code = codeOf(error);
  if (connectionCodes.has(code) || code.startsWith("08")) return true;
  return code === "" && error instanceof Error && connectionMessages.test(error.message);
}

/** The error a caller may see: `database_unavailable` for a lost database, else what it was. */
export function storeError(error: unknown): unknown {
  if (isPassing(error)) {
    return new ServingError("database_unavailable", "The database does not answer; try again shortly.", {
      cause: error,
      retryAfterSeconds: 1,
    });
  }
  if (error instanceof Error && /use a pool after calling end/i.test(error.message)) {
    return new ServingError("shutting_down", "The server is shutting down.", { cause: error });
  }
  // character_not_in_repertoire, untranslatable_character, invalid_text_representation.
  if (["22021", "22P05", "22P02"].includes(codeOf(error))) {
    const detail =
      "A text holds the character U+0000 or is not of its form; it can neither be stored nor found.";
    return new ServingError("invalid_parameter", detail, { cause: error });
  }
  return error;
}

function codeOf(error: unknown): string {
  if (typeof error !== "object" || error === null || !("code" in error)) return "";
  return typeof error.code === "string" ? error.code : "";
}
