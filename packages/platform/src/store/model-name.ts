// Which deployment answers a model's name: it moves when one becomes active, is asked for again, or is deleted.

import { sql } from "kysely";
import { hasDeadline, noDeadline } from "../domain/deploy-deadline.ts";
import { takesName } from "../domain/model-name.ts";
import { lockSettings, type SettingsChange } from "./change-deployments.ts";
import { findDeploymentById } from "./deployments.ts";
import { inTransaction, withRetry } from "./retry.ts";
import type { Db, DeploymentRow } from "./schema.ts";

/**
 * Writes that a deployment began to answer, and lets its model's name lead to it, unless it only comes back while one
 * that was asked for later has the name. Both are seen at once.
 */
export function activateDeployment(db: Db, { id, model_id }: Pick<DeploymentRow, "id" | "model_id">) {
  return withRetry(db, () =>
    inTransaction(db, async (transaction) => {
      const holderId = await lockModel(transaction, model_id);
      const row = await transaction
        .updateTable("deployments")
        .set({ status: "active", status_detail: null })
        .where("id", "=", id)
        .where("deleted_at", "is", null)
        .returning(["deployed_at", "development", "settings"])
        .executeTakeFirst();
      if (row === undefined) return;
      if (hasDeadline(row.settings)) {
        await transaction
          .updateTable("deployments")
          .set({ settings: JSON.stringify({ ...row.settings, ...noDeadline }) })
          .where("id", "=", id)
          .execute();
      }
      if (holderId === id) return;
      const holder = await transaction
        .selectFrom("deployments")
        .select(["deployed_at", "development"])
        .where("id", "=", holderId)
        .where("deleted_at", "is", null)
        .executeTakeFirst();
      if (takesName(row, holder)) await leadTo(transaction, model_id, id);
    }),
  );
}

/**
 * It was asked for again: its model's name leads to it, at once where it has answered before, else when it does. Null
 * where it was deleted meanwhile.
 * @param change of its settings; it has the time that this gives it, if any
 */
export function redeploy(
  db: Db,
  { id, model_id, project_id }: Pick<DeploymentRow, "id" | "model_id" | "project_id">,
  change: SettingsChange = () => ({}),
): Promise<DeploymentRow | null> {
  return withRetry(db, () =>
    inTransaction(db, async (transaction) => {
      await lockModel(transaction, model_id);
      const now = await lockSettings(transaction, id);
      if (now === null) return null;
      await transaction
        .updateTable("deployments")
        .set({
          deployed_at: sql<Date>`clock_timestamp()`,
          settings: JSON.stringify({ ...now.settings, ...noDeadline, ...change(now) }),
        })
        .where("id", "=", id)
        .execute();
      if (now.status === "active" || now.status === "idle") await leadTo(transaction, model_id, id);
      return findDeploymentById(transaction, project_id, id);
    }),
  );
}

/** Whoever moves a model's name locks the model first. Gives the deployment that has the name, or null. */
async function lockModel(transaction: Db, modelId: string): Promise<string | null> {
  const model = await transaction
    .selectFrom("models")
    .select("production_deployment_id")
    .where("id", "=", modelId)
    .forUpdate()
    .executeTakeFirst();
  return model?.production_deployment_id ?? null;
}

async function leadTo(transaction: Db, modelId: string, id: string | null): Promise<void> {
  await transaction
    .updateTable("models")
    .set({ production_deployment_id: id })
    .where("id", "=", modelId)
    .execute();
}

/**
 * Frees the name, forgets its adapters, wants no replica any more, and leaves the model's name to the newest of the
 * others that has answered. Answers whether there was one.
 */
export function deleteDeployment(db: Db, projectId: string, id: string, now: Date): Promise<boolean> {
  return withRetry(db, () =>
    inTransaction(db, async (transaction) => {
      const found = await findDeploymentById(transaction, projectId, id);
      if (found === null) return false;
      const holderId = await lockModel(transaction, found.model_id);
      const row = await transaction
        .updateTable("deployments")
        .set({ deleted_at: now, desired: "stopped" })
        .where("project_id", "=", projectId)
        .where("id", "=", id)
        .where("deleted_at", "is", null)
        .returning("id")
        .executeTakeFirst();
      if (row === undefined) return false;
      await transaction.deleteFrom("adapters").where("deployment_id", "=", id).execute();
      if (holderId === id) {
        const next = await transaction
          .selectFrom("deployments")
          .select("id")
          .where("model_id", "=", found.model_id)
          .where("deleted_at", "is", null)
          .where("status", "in", ["active", "idle"])
          .orderBy("development")
          .orderBy("deployed_at", "desc")
          .limit(1)
          .executeTakeFirst();
        await leadTo(transaction, found.model_id, next?.id ?? null);
      }
      return true;
    }),
  );
}
