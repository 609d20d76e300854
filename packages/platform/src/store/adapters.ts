// LoRA adapters that were added to a deployment, and their list as replicas take it: with a number that every change
// raises.

import { ServingError, mostAdapters, type ReplicaAdapters } from "@corral/contract";
import { sql } from "kysely";
import { inTransaction, withRetry } from "./retry.ts";
import type { AdapterRow, Db, VersionRow } from "./schema.ts";

export interface NewAdapter {
  readonly projectId: string;
  readonly deploymentId: string;
  readonly name: string;
  readonly source: string;
  readonly path: string;
  readonly sha256: string;
}

/**
 * `created` is false where the same was added before. Fails with `conflict` where the name has another content or
 * there are too many, with `deployment_not_found` where the deployment was deleted meanwhile.
 */
export function insertAdapter(db: Db, input: NewAdapter): Promise<{ row: AdapterRow; created: boolean }> {
  const { deploymentId, name } = input;
  return withRetry(db, () =>
    inTransaction(db, async (transaction) => {
      await lockDeployment(transaction, deploymentId);
      const rows = await listOf(transaction, deploymentId);
      const existing = rows.find((row) => row.name === name);
      if (existing?.sha256 === input.sha256) return { row: existing, created: false };
      if (existing !== undefined) {
        const detail = `name is ${JSON.stringify(name)}, which an adapter with another content has; choose another or delete that one.`;
        throw new ServingError("conflict", detail);
      }
      if (rows.length >= mostAdapters) {
        const detail = `The deployment has ${rows.length} adapters, and ${mostAdapters} may be added; delete one first.`;
        throw new ServingError("conflict", detail);
      }
      await raiseRevision(transaction, deploymentId);
      const row = await transaction
        .insertInto("adapters")
        .values({
          deployment_id: deploymentId,
          project_id: input.projectId,
          name,
          source: input.source,
          path: input.path,
          sha256: input.sha256,
        })
        .returningAll()
        .executeTakeFirstOrThrow();
      return { row, created: true };
    }),
  );
}

/** Answers whether there was one. */
export function deleteAdapter(db: Db, deploymentId: string, name: string): Promise<boolean> {
  return withRetry(db, () =>
    inTransaction(db, async (transaction) => {
      await lockDeployment(transaction, deploymentId);
      const deleted = await transaction
        .deleteFrom("adapters")
        .where("deployment_id", "=", deploymentId)
        .where("name", "=", name)
        .executeTakeFirst();
      if (deleted.numDeletedRows === 0n) return false;
      await raiseRevision(transaction, deploymentId);
      return true;
    }),
  );
}

/** In the order in which they were added. */
export function listAdapters(db: Db, deploymentId: string): Promise<AdapterRow[]> {
  return withRetry(db, () => listOf(db, deploymentId));
}

/** What a replica of the deployment is to have now. */
export function readReplicaAdapters(db: Db, deploymentId: string): Promise<ReplicaAdapters> {
  return withRetry(db, () =>
    inTransaction(db, async (transaction) => {
      // Without it a change between the two reads would give its list an older number.
      const deployment = await transaction
        .selectFrom("deployments")
        .select("adapters_revision")
        .where("id", "=", deploymentId)
        .forShare()
        .executeTakeFirst();
      const rows = await listOf(transaction, deploymentId);
      return {
        revision: Number(deployment?.adapters_revision ?? 0),
        adapters: rows.map(({ name, path, sha256 }) => ({ name, path, sha256 })),
      };
    }),
  );
}

/** Names by deployment of all that calls may name in a project, those of versions first. */
export function adapterNamesOf(db: Db, projectId: string): Promise<ReadonlyMap<string, readonly string[]>> {
  return withRetry(db, async () => {
    const own = await db
      .selectFrom("deployments")
      .innerJoin("versions", "versions.id", "deployments.version_id")
      .select(["deployments.id", "versions.adapters"])
      .where("deployments.project_id", "=", projectId)
      .where("deployments.deleted_at", "is", null)
      .where(sql<boolean>`jsonb_array_length(versions.adapters) > 0`)
      .execute();
    const added = await db
      .selectFrom("adapters")
      .select(["deployment_id", "name"])
      .where("project_id", "=", projectId)
      .orderBy("created_at")
      .orderBy("name")
      .execute();
    const names = new Map<string, string[]>();
    const note = (id: string, name: string) => names.set(id, [...(names.get(id) ?? []), name]);
    for (const { id, adapters } of own) for (const { name } of adapters) note(id, name);
    for (const { deployment_id, name } of added) note(deployment_id, name);
    return names;
  });
}

/** Files of the adapters that deployments of any project have. */
export function listAdapterPaths(db: Db): Promise<string[]> {
  return withRetry(db, async () => {
    const rows = await db
      .selectFrom("adapters")
      .innerJoin("deployments", "deployments.id", "adapters.deployment_id")
      .select("adapters.path")
      .where("deployments.deleted_at", "is", null)
      .execute();
    return rows.map(({ path }) => path);
  });
}

export function hasOwnAdapter({ adapters }: Pick<VersionRow, "adapters">, name: string): boolean {
  return adapters.some((adapter) => adapter.name === name);
}

/** Changes of one deployment's adapters come one after another. */
async function lockDeployment(transaction: Db, id: string): Promise<void> {
  const found = await transaction
    .selectFrom("deployments")
    .select("id")
    .where("id", "=", id)
    .where("deleted_at", "is", null)
    .forUpdate()
    .executeTakeFirst();
  if (found === undefined)
    throw new ServingError("deployment_not_found", `There is no deployment ${id}; it was deleted meanwhile.`);
}

async function raiseRevision(transaction: Db, id: string): Promise<void> {
  await transaction
    .updateTable("deployments")
    .set({ adapters_revision: sql<number>`adapters_revision + 1` })
    .where("id", "=", id)
    .execute();
}

function listOf(db: Db, deploymentId: string): Promise<AdapterRow[]> {
  return db
    .selectFrom("adapters")
    .selectAll()
    .where("deployment_id", "=", deploymentId)
    .orderBy("created_at")
    .orderBy("name")
    .execute();
}
