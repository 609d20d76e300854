// Projects: the tenants. Every other table names one, and every other file asks for its id first.

import type { Project } from "@corral/contract";
import { withRetry } from "./retry.ts";
import type { Db, ProjectRow } from "./schema.ts";

/** Made by the first migration. */
export const defaultProjectId = "default";

export function findProject(db: Db, id: string): Promise<ProjectRow | null> {
  return withRetry(db, async () => {
    const row = await db.selectFrom("projects").selectAll().where("id", "=", id).executeTakeFirst();
    return row ?? null;
  });
}

/** The project of that id, made if it is not there. Fails with a unique violation where another has the name. */
export function getOrCreateProject(db: Db, id: string, name: string): Promise<ProjectRow> {
  return withRetry(db, async () => {
    await db
      .insertInto("projects")
      .values({ id, name })
      .onConflict((conflict) => conflict.column("id").doNothing())
      .execute();
    return db.selectFrom("projects").selectAll().where("id", "=", id).executeTakeFirstOrThrow();
  });
}

/** From the next call on, everywhere. Null where there is no such project. */
export function changeProject(
  db: Db,
  id: string,
  { storesRuns }: { readonly storesRuns: boolean },
): Promise<ProjectRow | null> {
  return withRetry(db, async () => {
    const row = await db
      .updateTable("projects")
      .set({ stores_runs: storesRuns })
      .where("id", "=", id)
      .returningAll()
      .executeTakeFirst();
    return row ?? null;
  });
}

export function toProject(row: ProjectRow): Project {
  return { id: row.id, name: row.name, store: row.stores_runs, created_at: row.created_at.toISOString() };
}
