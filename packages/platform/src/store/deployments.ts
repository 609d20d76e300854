// Deployments: versions that run or are able to. What is wanted (`desired`) and what is (`status`) are apart;
// bringing them together is the reconciler's work.

import { ServingError, type Deployment, type DeploymentStatus } from "@corral/contract";
import { sql } from "kysely";
import { randomId, type NewId } from "./ids.ts";
import { afterCursor, pageOf, type Page, type PageQuery } from "./page.ts";
import { inTransaction, withRetry } from "./retry.ts";
import type { Db, DeploymentRow, DesiredState } from "./schema.ts";
import { storable } from "./text.ts";

export interface NewDeployment {
  readonly projectId: string;
  readonly modelId: string;
  readonly versionId: string;
  readonly name: string;
  readonly identifiers: readonly string[];
  readonly settings: Readonly<Record<string, unknown>>;
}

/** Fails with `conflict` where the name is taken, `model_not_found` where the model was deleted meanwhile. */
export function createDeployment(
  db: Db,
  input: NewDeployment,
  newId: NewId = randomId,
): Promise<DeploymentRow> {
  const id = newId();
  return withRetry(db, () =>
    inTransaction(db, async (transaction) => {
      const model = await transaction
        .selectFrom("models")
        .select("id")
        .where("id", "=", input.modelId)
        .where("project_id", "=", input.projectId)
        .where("deleted_at", "is", null)
        .forShare()
        .executeTakeFirst();
      if (model === undefined)
        throw new ServingError("model_not_found", `There is no model ${input.modelId}.`);
      await transaction
        .insertInto("deployments")
        .values({
          id,
          project_id: input.projectId,
          model_id: input.modelId,
          version_id: input.versionId,
          name: input.name,
          identifiers: [...input.identifiers],
          settings: JSON.stringify(input.settings),
        })
        .onConflict((conflict) => conflict.doNothing())
        .execute();
      // Our id is there: written now, or by an attempt whose answer was lost. Else the name was taken.
      const row = await live(transaction, input.projectId)
        .where("deployments.id", "=", id)
        .executeTakeFirst();
      if (row !== undefined) return row;
      const detail = `name is ${JSON.stringify(input.name)}, which another deployment has; choose another or delete that one.`;
      throw new ServingError("conflict", detail);
    }),
  );
}

export function findDeploymentById(db: Db, projectId: string, id: string): Promise<DeploymentRow | null> {
  return withRetry(db, async () => {
    const row = await live(db, projectId).where("deployments.id", "=", id).executeTakeFirst();
    return row ?? null;
  });
}

export function findDeploymentByName(db: Db, projectId: string, name: string): Promise<DeploymentRow | null> {
  return withRetry(db, async () => {
    const row = await live(db, projectId).where("deployments.name", "=", name).executeTakeFirst();
    return row ?? null;
  });
}

/** By name, or else by one of its identifiers: of several with the same one, the newest. */
export function findDeploymentByIdentifier(
  db: Db,
  projectId: string,
  identifier: string,
): Promise<DeploymentRow | null> {
  return withRetry(db, async () => {
    const named = sql<boolean>`deployments.name = ${identifier}`;
    const row = await live(db, projectId)
      .where(sql<boolean>`(${named} or ${identifier} = any (deployments.identifiers))`)
      .orderBy(named, "desc")
      .orderBy("deployments.created_at", "desc")
      .orderBy("deployments.id", "desc")
      .executeTakeFirst();
    return row ?? null;
  });
}

export function listDeployments(
  db: Db,
  projectId: string,
  { limit, cursor, modelId }: PageQuery & { readonly modelId?: string | undefined },
): Promise<Page<DeploymentRow>> {
  return withRetry(db, async () => {
    let query = live(db, projectId).where(afterCursor("deployments", cursor));
    if (modelId !== undefined) query = query.where("deployments.model_id", "=", modelId);
    const rows = await query
      .orderBy("deployments.created_at", "desc")
      .orderBy("deployments.id", "desc")
      .limit(limit + 1)
      .execute();
    return pageOf(rows, limit);
  });
}

/** Every project's deployments that are not deleted, oldest first: for the reconciler alone. */
export function listAllDeployments(db: Db): Promise<DeploymentRow[]> {
  return withRetry(db, () =>
    joined(db).orderBy("deployments.created_at").orderBy("deployments.id").execute(),
  );
}

/** Null where the project has no such deployment. */
export function setDeploymentStatus(
  db: Db,
  projectId: string,
  id: string,
  status: DeploymentStatus,
  detail: string | null = null,
): Promise<DeploymentRow | null> {
  return update(db, projectId, id, { status, status_detail: detail === null ? null : storable(detail) });
}

export function setDesired(
  db: Db,
  projectId: string,
  id: string,
  desired: DesiredState,
): Promise<DeploymentRow | null> {
  return update(db, projectId, id, { desired });
}

/** Frees the name, wants no replica any more and takes the model's address away. Answers whether there was one. */
export function deleteDeployment(db: Db, projectId: string, id: string, now: Date): Promise<boolean> {
  return withRetry(db, () =>
    inTransaction(db, async (transaction) => {
      const row = await transaction
        .updateTable("deployments")
        .set({ deleted_at: now, desired: "stopped" })
        .where("project_id", "=", projectId)
        .where("id", "=", id)
        .where("deleted_at", "is", null)
        .returning("model_id")
        .executeTakeFirst();
      if (row === undefined) return false;
      await transaction
        .updateTable("models")
        .set({ production_deployment_id: null })
        .where("id", "=", row.model_id)
        .where("production_deployment_id", "=", id)
        .execute();
      return true;
    }),
  );
}

export function toDeployment(row: DeploymentRow): Deployment {
  return {
    id: row.id,
    name: row.name,
    model_id: row.model_id,
    model_name: row.model_name,
    version_id: row.version_id,
    status: row.status,
    status_detail: row.status_detail,
    identifiers: row.identifiers,
    created_at: row.created_at.toISOString(),
  };
}

interface Change {
  readonly status?: DeploymentStatus;
  readonly status_detail?: string | null;
  readonly desired?: DesiredState;
}

function update(db: Db, projectId: string, id: string, change: Change): Promise<DeploymentRow | null> {
  return withRetry(db, async () => {
    const result = await db
      .updateTable("deployments")
      .set(change)
      .where("project_id", "=", projectId)
      .where("id", "=", id)
      .where("deleted_at", "is", null)
      .executeTakeFirst();
    return result.numUpdatedRows === 0n ? null : findDeploymentById(db, projectId, id);
  });
}

function live(db: Db, projectId: string) {
  return joined(db).where("deployments.project_id", "=", projectId);
}

function joined(db: Db) {
  return db
    .selectFrom("deployments")
    .innerJoin("models", "models.id", "deployments.model_id")
    .selectAll("deployments")
    .select("models.name as model_name")
    .where("deployments.deleted_at", "is", null);
}
