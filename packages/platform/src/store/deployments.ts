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
  /** Default: not. */
  readonly development?: boolean;
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
          development: input.development ?? false,
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

export interface VersionMove {
  readonly id: string;
  readonly from: string;
  readonly to: string;
  /** Whether its replica has yet to be started with the version; default: it runs it. */
  readonly starts?: boolean;
  /** Default: as they are. */
  readonly settings?: Readonly<Record<string, unknown>>;
}

/** Gives a development deployment another version. Answers whether it still had the one before. */
export function moveDeployment(db: Db, { id, from, to, starts, settings }: VersionMove): Promise<boolean> {
  return withRetry(db, async () => {
    const moved = await db
      .updateTable("deployments")
      .set({
        version_id: to,
        ...(starts === true ? { status: "starting" as const, status_detail: null } : {}),
        ...(settings === undefined ? {} : { settings: JSON.stringify(settings) }),
      })
      .where("id", "=", id)
      .where("development", "=", true)
      .where("deleted_at", "is", null)
      // A move whose answer was lost is done again, and finds it done.
      .where("version_id", "in", [from, to])
      .executeTakeFirst();
    return moved.numUpdatedRows > 0n;
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

/** Undefined takes a setting away. Null where the project has no such deployment. */
export function changeSettings(
  db: Db,
  { id, project_id: projectId, settings }: Pick<DeploymentRow, "id" | "project_id" | "settings">,
  changed: Readonly<Record<string, unknown>>,
): Promise<DeploymentRow | null> {
  return update(db, projectId, id, { settings: JSON.stringify({ ...settings, ...changed }) });
}

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
      if (row === undefined || holderId === id) return;
      const holder = await transaction
        .selectFrom("deployments")
        .select(["deployed_at", "development"])
        .where("id", "=", holderId)
        .where("deleted_at", "is", null)
        .executeTakeFirst();
      // A truss that was pushed without being promoted answers beside the one that has the name.
      if (holder?.development === false && row.settings["promote"] === false) return;
      if (holder === undefined || takesNameFrom(row, holder)) await leadTo(transaction, model_id, id);
    }),
  );
}

/** A development deployment has its model's name only where there is no other; of others, the later one has it. */
function takesNameFrom(
  one: Pick<DeploymentRow, "deployed_at" | "development">,
  holder: Pick<DeploymentRow, "deployed_at" | "development">,
): boolean {
  if (one.development !== holder.development) return holder.development;
  return one.deployed_at >= holder.deployed_at;
}

/**
 * It was asked for again: its model's name leads to it, at once where it has answered before, else when it does. Null
 * where it was deleted meanwhile.
 */
export function redeploy(
  db: Db,
  { id, model_id, project_id, settings }: Pick<DeploymentRow, "id" | "model_id" | "project_id" | "settings">,
  changed: Readonly<Record<string, unknown>> = {},
): Promise<DeploymentRow | null> {
  return withRetry(db, () =>
    inTransaction(db, async (transaction) => {
      await lockModel(transaction, model_id);
      const row = await transaction
        .updateTable("deployments")
        .set({
          deployed_at: sql<Date>`clock_timestamp()`,
          ...(Object.keys(changed).length === 0
            ? {}
            : { settings: JSON.stringify({ ...settings, ...changed }) }),
        })
        .where("id", "=", id)
        .where("deleted_at", "is", null)
        .returning("status")
        .executeTakeFirst();
      if (row?.status === "active" || row?.status === "idle") await leadTo(transaction, model_id, id);
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

/** What a run took, for the next one. */
export function setMeasured(
  db: Db,
  id: string,
  { loadMs, residentBytes }: { readonly loadMs: number; readonly residentBytes: number | null },
): Promise<void> {
  return withRetry(db, async () => {
    await db
      .updateTable("deployments")
      .set({ load_ms: loadMs, ...(residentBytes === null ? {} : { resident_bytes: residentBytes }) })
      .where("id", "=", id)
      .execute();
  });
}

export type WantedDeployment = Pick<DeploymentRow, "name" | "status" | "status_detail" | "load_ms">;

/** Tells the platform process that runs the deployment that it is to be loaded. Null where it was deleted. */
export function wantDeployment(db: Db, id: string): Promise<WantedDeployment | null> {
  return withRetry(db, async () => {
    const row = await db
      .updateTable("deployments")
      .set({ wanted_at: sql<Date>`clock_timestamp()` })
      .where("id", "=", id)
      .where("deleted_at", "is", null)
      .returning(["name", "status", "status_detail", "load_ms"])
      .executeTakeFirst();
    return row ?? null;
  });
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

interface Change {
  readonly status?: DeploymentStatus;
  readonly status_detail?: string | null;
  readonly desired?: DesiredState;
  /** JSON. */
  readonly settings?: string;
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
    .select(sql<boolean>`coalesce(models.production_deployment_id = deployments.id, false)`.as("production"))
    .where("deployments.deleted_at", "is", null);
}
