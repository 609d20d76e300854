// Budgets of API keys: set, read, and asked before a call begins. The arithmetic is in the database, which all platform
// processes share: see the migration that makes these tables.

import { ServingError, type Budget, type SetBudget } from "@corral/contract";
import { sql } from "kysely";
import { withRetry } from "../store/retry.ts";
import type { Db } from "../store/schema.ts";

/**
 * Null takes the budget away. Another number of tokens keeps what is used; another period begins anew.
 * Reservations of calls that run stay.
 */
export async function setBudget(
  db: Db,
  projectId: string,
  keyId: string,
  budget: SetBudget | null,
): Promise<void> {
  await withRetry(db, async () => {
    if (budget === null) {
      await db.deleteFrom("budgets").where("key_id", "=", keyId).execute();
      return;
    }
    const { tokens, period } = budget;
    await sql`
      insert into budgets (key_id, project_id, tokens, period, period_start)
      values (${keyId}, ${projectId}, ${tokens}, ${period}, budget_period_start(${period}, now()))
      on conflict (key_id) do update set
        tokens = excluded.tokens,
        used = case when budgets.period = excluded.period then budgets.used else 0 end,
        period_start = case when budgets.period = excluded.period then budgets.period_start
          else excluded.period_start end,
        period = excluded.period
    `.execute(db);
  });
}

export async function readBudget(db: Db, keyId: string): Promise<Budget | null> {
  return (await readBudgets(db, [keyId])).get(keyId) ?? null;
}

/** As they stand now, by key. */
export function readBudgets(db: Db, keyIds: readonly string[]): Promise<ReadonlyMap<string, Budget>> {
  if (keyIds.length === 0) return Promise.resolve(new Map());
  return withRetry(db, async () => {
    const { rows } = await sql<BudgetRow & { key_id: string }>`
      select key_id, tokens as budget, period, reserved,
        case when period_start < budget_period_start(period, now()) then 0 else used end as used,
        budget_renewal(period, now()) as renews_at
      from budgets where key_id = any (${keyIds})
    `.execute(db);
    return new Map(
      rows.map((row) => [
        row.key_id,
        {
          tokens: row.budget,
          period: row.period,
          used: row.used,
          reserved: row.reserved,
          renews_at: row.renews_at?.toISOString() ?? null,
        },
      ]),
    );
  });
}

export interface Reservation {
  readonly runId: string;
  readonly keyId: string;
  readonly replicaId: string;
  /** All that the run may take; 0 gives back what it had. */
  readonly tokenCount: number;
}

interface BudgetRow {
  readonly budget: number;
  readonly period: Budget["period"];
  readonly used: number;
  readonly reserved: number;
  readonly renews_at: Date | null;
}

/** Null: granted. Else `budget_exceeded` with the figures, or `replica_lost` where the replica has ended. */
export async function reserveBudget(
  db: Db,
  { runId, keyId, replicaId, tokenCount }: Reservation,
  now: Date,
): Promise<ServingError | null> {
  const { rows } = await withRetry(db, () =>
    sql<{ granted: boolean } & (BudgetRow | { budget: null })>`
      select * from reserve_budget(${runId}, ${keyId}, ${replicaId}, ${tokenCount})
    `.execute(db),
  );
  const [row] = rows;
  if (row === undefined) throw new TypeError("A reservation had no answer.");
  if (row.granted) return null;
  if (row.budget === null) return new ServingError("replica_lost", "The replica has ended.");
  return budgetExceeded(row, tokenCount, now);
}

const periodWords = { day: " a day", month: " a month", total: "" } as const;
/** Clients wait as long as they are told to: longer than this helps nobody. */
const longestWaitSeconds = 60;

function budgetExceeded(row: BudgetRow, tokenCount: number, now: Date): ServingError {
  const { budget, period, used, reserved, renews_at: renewsAt } = row;
  const renewal = renewsAt === null ? "It does not renew" : `It renews at ${renewsAt.toISOString()}`;
  const waitSeconds =
    used + tokenCount <= budget
      ? 1
      : renewsAt === null || tokenCount > budget
        ? null
        : Math.ceil((renewsAt.getTime() - now.getTime()) / 1_000);
  return new ServingError(
    "budget_exceeded",
    `The API key's budget is ${budget} tokens${periodWords[period]}; ${used} are used, ${reserved} are reserved by calls ` +
      `that run, and this call may take ${tokenCount} (prompt + most new tokens of each sequence). ${renewal}. ` +
      "A smaller max_new_tokens or fewer sequences reserve less.",
    waitSeconds === null || waitSeconds > longestWaitSeconds
      ? {}
      : { retryAfterSeconds: Math.max(1, waitSeconds) },
  );
}
