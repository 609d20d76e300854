// What the Truss command's watch knows of a development deployment: the state of the files that run, in its own words,
// and patches that wait for their sync.

import type { Selectable } from "kysely";
import { inTransaction, withRetry } from "./retry.ts";
import type { Db } from "./schema.ts";
import type { TrussStatesTable } from "./tables/models.ts";

export type TrussStateRow = Selectable<TrussStatesTable>;

export function findTrussState(db: Db, deploymentId: string): Promise<TrussStateRow | null> {
  return withRetry(db, async () => {
    const row = await db
      .selectFrom("truss_states")
      .selectAll()
      .where("deployment_id", "=", deploymentId)
      .executeTakeFirst();
    return row ?? null;
  });
}

/** What a change is made from: nobody else changes it meanwhile. */
export interface LockedTrussState {
  /** Of the deployment now. */
  readonly versionId: string;
  readonly state: TrussStateRow | null;
}

/**
 * @param change gives what is written in place of the state; null: it stays. It may be called again, where a write is
 * tried again.
 */
export function changeTrussState(
  db: Db,
  deploymentId: string,
  change: (now: LockedTrussState) => TrussStateRow | null,
): Promise<void> {
  return withRetry(db, () =>
    inTransaction(db, async (transaction) => {
      // Runs that name the deployment are written meanwhile.
      const deployment = await transaction
        .selectFrom("deployments")
        .select("version_id")
        .where("id", "=", deploymentId)
        .forNoKeyUpdate()
        .executeTakeFirst();
      if (deployment === undefined) return;
      const state = await findTrussState(transaction, deploymentId);
      const row = change({ versionId: deployment.version_id, state });
      if (row === null) return;
      const { deployment_id: _, ...values } = row;
      await transaction
        .insertInto("truss_states")
        .values(row)
        .onConflict((conflict) => conflict.column("deployment_id").doUpdateSet(values))
        .execute();
    }),
  );
}
