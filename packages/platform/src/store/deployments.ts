// Deployments, versions that run or are able to, as they are read: one that was deleted is not found. What is wanted
// (`desired`) and what is (`status`) are apart; bringing them together is the reconciler's work.

import type { Deployment } from "@corral/contract";
import { sql } from "kysely";
import { afterCursor, pageOf, type Page, type PageQuery } from "./page.ts";
import { withRetry } from "./retry.ts";
import type { Db, DeploymentRow } from "./schema.ts";

export function findDeploymentById(db: Db, projectId: string, id: string): Promise<DeploymentRow | null> {
  return withRetry(db, async () => {
    const row = await live(db, projectId).where("deployments.id", "=", id).executeTakeFirst();
    return row ?? null;
  });
}

/** The one of a model that patches move. */
export function findDevelopment(db: Db, projectId: string, modelId: string): Promise<DeploymentRow | null> {
  return withRetry(db, async () => {
    const row = await live(db, projectId)
      .where("deployments.model_id", "=", modelId)
      .where("deployments.development", "=", true)
      .executeTakeFirst();
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

/** Whether there is a row of it: of any project, deleted or not. */
export async function isDeployment(db: Db, id: string): Promise<boolean> {
  const row = await withRetry(db, () =>
    db.selectFrom("deployments").select("id").where("id", "=", id).executeTakeFirst(),
  );
  return row !== undefined;
}

/** Every project's deployments that are not deleted, oldest first: for the reconciler alone. */
export function listAllDeployments(db: Db): Promise<DeploymentRow[]> {
  return withRetry(db, () =>
    joined(db).orderBy("deployments.created_at").orderBy("deployments.id").execute(),
  );
}

/** Those that were asked for within the last `withinMs`, by the database's clock. */
export function listWanted(db: Db, withinMs: number): Promise<string[]> {
  return withRetry(db, async () => {
    const rows = await db
      .selectFrom("deployments")
      .select("id")
      .where("deleted_at", "is", null)
      .where("wanted_at", ">", sql<Date>`clock_timestamp() - make_interval(secs => ${withinMs / 1000})`)
      .execute();
    return rows.map(({ id }) => id);
  });
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
    production: row.production,
    development: row.development,
    identifiers: row.identifiers,
    created_at: row.created_at.toISOString(),
  };
}

/** Those of a project that are not deleted. */
export function live(db: Db, projectId: string) {
  return joined(db).where("deployments.project_id", "=", projectId);
}

function joined(db: Db) {
  return db
    .selectFrom("deployments")
    .innerJoin("models", "models.id", "deployments.model_id")
    .selectAll("deployments")
    .select("models.name as model_name")
    .select(sql<boolean>`coalesce(models.production_deployment_id = deployments.id, false)`.as("production"))
    .where("deployments.deleted_at", "is", null);
}
