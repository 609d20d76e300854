// What the Truss command's watch knows of a development deployment: the state of the files that run, in its own words,
// and patches that wait for their sync.

import type { Selectable } from "kysely";
import { withRetry } from "./retry.ts";
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

export function putTrussState(db: Db, row: TrussStateRow): Promise<void> {
  const { deployment_id: _, ...values } = row;
  return withRetry(db, async () => {
    await db
      .insertInto("truss_states")
      .values(row)
      .onConflict((conflict) => conflict.column("deployment_id").doUpdateSet(values))
      .execute();
  });
}
