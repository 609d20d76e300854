// Projects: the tenants. Every other table names one, and every other file asks for its id first.

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
