// Deployments are made and changed here, but for which of them has its model's name: see `model-name.ts`.

import { ServingError, type DeploymentStatus } from "@corral/contract";
import { sql } from "kysely";
import { findDeploymentById, live } from "./deployments.ts";
import { randomId, type NewId } from "./ids.ts";
import { inTransaction, withRetry } from "./retry.ts";
import type { Db, DeploymentRow } from "./schema.ts";
import type { DesiredState } from "./tables/models.ts";
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

/**
 * What of a deployment's settings changes, by what it is now: nobody else changes it meanwhile. Undefined takes a
 * setting away. It may be called again, where a write is tried again.
 */
export type SettingsChange = (
  now: Pick<DeploymentRow, "status" | "settings">,
) => Readonly<Record<string, unknown>>;

/** The other settings stay. Null where the project has no such deployment. */
export function changeSettings(
  db: Db,
  { id, project_id: projectId }: Pick<DeploymentRow, "id" | "project_id">,
  change: SettingsChange,
): Promise<DeploymentRow | null> {
  return withRetry(db, () =>
    inTransaction(db, async (transaction) => {
      const now = await lockSettings(transaction, id);
      if (now === null) return null;
      return await update(transaction, projectId, id, {
        settings: JSON.stringify({ ...now.settings, ...change(now) }),
      });
    }),
  );
}

/** Until the end of the transaction. Null where it was deleted. */
export async function lockSettings(
  transaction: Db,
  id: string,
): Promise<Parameters<SettingsChange>[0] | null> {
  const row = await transaction
    .selectFrom("deployments")
    .select(["status", "settings"])
    .where("id", "=", id)
    .where("deleted_at", "is", null)
    // Runs that name the deployment are written meanwhile.
    .forNoKeyUpdate()
    .executeTakeFirst();
  return row ?? null;
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
