// Models: the named things a project owns. A deleted one is kept for its runs and found no more.

import { ServingError, type Model } from "@corral/contract";
import { randomId, type NewId } from "./ids.ts";
import { afterCursor, pageOf, type Page, type PageQuery } from "./page.ts";
import { inTransaction, withRetry } from "./retry.ts";
import type { Db, ModelRow } from "./schema.ts";

export function getOrCreateModel(
  db: Db,
  projectId: string,
  name: string,
  newId: NewId = randomId,
): Promise<ModelRow> {
  return withRetry(db, async () => {
    await db
      .insertInto("models")
      .values({ id: newId(), project_id: projectId, name })
      .onConflict((conflict) =>
        conflict.columns(["project_id", "name"]).where("deleted_at", "is", null).doNothing(),
      )
      .execute();
    const row = await live(db, projectId).where("name", "=", name).executeTakeFirst();
    if (row === undefined)
      throw new ServingError("conflict", `The model ${name} was deleted meanwhile; try again.`);
    return row;
  });
}

/** Lets the model be shown as its author writes it; null: as its name. */
export function setTitle(db: Db, modelId: string, title: string | null): Promise<void> {
  return withRetry(db, async () => {
    await db.updateTable("models").set({ title }).where("id", "=", modelId).execute();
  });
}

/** A name may look like another model's id: the id wins. */
export function findModel(db: Db, projectId: string, idOrName: string): Promise<ModelRow | null> {
  return withRetry(db, async () => {
    const rows = await live(db, projectId)
      .where((where) => where.or([where("id", "=", idOrName), where("name", "=", idOrName)]))
      .execute();
    return rows.find((row) => row.id === idOrName) ?? rows[0] ?? null;
  });
}

export function listModels(db: Db, projectId: string, { limit, cursor }: PageQuery): Promise<Page<ModelRow>> {
  return withRetry(db, async () => {
    const rows = await live(db, projectId)
      .where(afterCursor("models", cursor))
      .orderBy("created_at", "desc")
      .orderBy("id", "desc")
      .limit(limit + 1)
      .execute();
    return pageOf(rows, limit);
  });
}

/** Answers whether there was one. Fails with `conflict` while the model has deployments. */
export function deleteModel(db: Db, projectId: string, modelId: string, now: Date): Promise<boolean> {
  return withRetry(db, () =>
    inTransaction(db, async (transaction) => {
      // The lock keeps `createDeployment` out until this is decided.
      const model = await live(transaction, projectId)
        .where("id", "=", modelId)
        .forUpdate()
        .executeTakeFirst();
      if (model === undefined) return false;
      const deployment = await transaction
        .selectFrom("deployments")
        .select("name")
        .where("model_id", "=", modelId)
        .where("deleted_at", "is", null)
        .executeTakeFirst();
      if (deployment !== undefined) {
        const detail = `The model ${model.name} has the deployment ${deployment.name}; delete its deployments first.`;
        throw new ServingError("conflict", detail);
      }
      await transaction.updateTable("models").set({ deleted_at: now }).where("id", "=", modelId).execute();
      return true;
    }),
  );
}

export function toModel(row: ModelRow): Model {
  return { id: row.id, name: row.name, created_at: row.created_at.toISOString() };
}

function live(db: Db, projectId: string) {
  return db
    .selectFrom("models")
    .selectAll()
    .where("project_id", "=", projectId)
    .where("deleted_at", "is", null);
}
