// Weights that were asked for. A row belongs to the platform on whose machine its file is; what a state means is decided
// in `domain/weights.ts`.

import { ServingError, type Weights, type WeightsStatus } from "@corral/contract";
import { sql } from "kysely";
import { queuedWeights, type Preparation, type WeightsState } from "../domain/weights.ts";
import { randomId, type NewId } from "./ids.ts";
import { afterCursor, pageOf, type Page, type PageQuery } from "./page.ts";
import { withRetry } from "./retry.ts";
import type { Db, WeightsRow } from "./schema.ts";
import { storable } from "./text.ts";

export interface NewWeights {
  readonly projectId: string;
  readonly platformId: string;
  readonly source: string;
  readonly identifier: string | null;
  readonly name: string;
  readonly origin: string;
  readonly contentKey: string;
  readonly preparation: Preparation;
  readonly warnings?: readonly string[];
}

const endedStatuses = ["ready", "failed", "canceled"] as const satisfies readonly WeightsStatus[];

/** The weights of that content and identity: `created` is false where the project has them, in whatever state. */
export function insertWeights(
  db: Db,
  input: NewWeights,
  newId: NewId = randomId,
): Promise<{ row: WeightsRow; created: boolean }> {
  const id = newId();
  const { source } = input.preparation;
  return withRetry(db, async () => {
    await db
      .insertInto("weights")
      .values({
        id,
        project_id: input.projectId,
        platform_id: input.platformId,
        source: input.source,
        identifier: input.identifier,
        name: input.name,
        origin: input.origin,
        content_key: input.contentKey,
        preparation: JSON.stringify(input.preparation),
        repository: source.kind === "hub" ? source.repository : null,
        quantization: input.preparation.recipe?.quantization ?? null,
        state: JSON.stringify({ ...queuedWeights, warnings: input.warnings ?? [] }),
      })
      .onConflict((conflict) => conflict.doNothing())
      .execute();
    const row = await live(db)
      .where("project_id", "=", input.projectId)
      .where("platform_id", "=", input.platformId)
      .where("content_key", "=", input.contentKey)
      .where(sql<boolean>`identifier is not distinct from ${input.identifier}`)
      .executeTakeFirst();
    if (row === undefined)
      throw new ServingError("conflict", "These weights were deleted meanwhile; ask for them again.");
    return { row, created: row.id === id };
  });
}

export function findWeights(db: Db, projectId: string, id: string): Promise<WeightsRow | null> {
  return withRetry(db, async () => {
    const row = await live(db).where("project_id", "=", projectId).where("id", "=", id).executeTakeFirst();
    return row ?? null;
  });
}

/** Newest first. */
export function listWeights(
  db: Db,
  projectId: string,
  { limit, cursor }: PageQuery,
): Promise<Page<WeightsRow>> {
  return withRetry(db, async () => {
    const rows = await live(db)
      .where("project_id", "=", projectId)
      .where(afterCursor("weights", cursor))
      .orderBy("created_at", "desc")
      .orderBy("id", "desc")
      .limit(limit + 1)
      .execute();
    return pageOf(rows, limit);
  });
}

/** Those of one origin on this platform's machine, in whatever state, newest first. */
export function listWeightsOfOrigin(
  db: Db,
  projectId: string,
  platformId: string,
  origin: string,
): Promise<WeightsRow[]> {
  return withRetry(db, () => ofPlatform(db, projectId, platformId).where("origin", "=", origin).execute());
}

/** Those that were asked for by one of these identifiers of the catalogue, in the same way. */
export function listWeightsOfIdentifiers(
  db: Db,
  projectId: string,
  platformId: string,
  identifiers: readonly string[],
): Promise<WeightsRow[]> {
  return withRetry(db, async () =>
    identifiers.length === 0
      ? []
      : ofPlatform(db, projectId, platformId)
          .where("identifier", "in", [...identifiers])
          .execute(),
  );
}

/** The one of this platform that may begin now and waits longest; of every project. */
export function nextQueuedWeights(db: Db, platformId: string, now: Date): Promise<WeightsRow | null> {
  return withRetry(db, async () => {
    const row = await live(db)
      .where("platform_id", "=", platformId)
      .where("status", "=", "queued")
      .where((where) => where.or([where("retry_at", "is", null), where("retry_at", "<=", now)]))
      .orderBy("created_at")
      .orderBy("id")
      .executeTakeFirst();
    return row ?? null;
  });
}

/** When the next one that failed may be tried again; null: none waits. */
export function nextWeightsRetry(db: Db, platformId: string): Promise<Date | null> {
  return withRetry(db, async () => {
    const row = await db
      .selectFrom("weights")
      .select((select) => select.fn.min("retry_at").as("at"))
      .where("platform_id", "=", platformId)
      .where("status", "=", "queued")
      .where("deleted_at", "is", null)
      .executeTakeFirst();
    return row?.at ?? null;
  });
}

/** Those of this platform that a process was at work on. */
export function listRunningWeights(db: Db, platformId: string): Promise<WeightsRow[]> {
  return withRetry(db, () =>
    live(db)
      .where("platform_id", "=", platformId)
      .where("status", "not in", [...endedStatuses, "queued"])
      .execute(),
  );
}

/** Ready ones of the same content, of any project; also those whose branch turned out to be that commit. */
export function findReadyTwin(db: Db, row: WeightsRow): Promise<WeightsRow | null> {
  return withRetry(db, async () => {
    const { source, recipe } = row.preparation;
    const candidates = await live(db)
      .where("platform_id", "=", row.platform_id)
      .where("status", "=", "ready")
      .where("id", "<>", row.id)
      .where((where) =>
        where.or([
          where("content_key", "=", row.content_key),
          ...(source.kind === "hub"
            ? [
                where.and([
                  where("repository", "=", source.repository),
                  where("revision", "=", source.revision),
                ]),
              ]
            : []),
        ]),
      )
      .execute();
    const isTwin = (other: WeightsRow) =>
      other.content_key === row.content_key ||
      (sameText(other.preparation.recipe, recipe) &&
        source.kind === "hub" &&
        other.preparation.source.kind === "hub" &&
        other.preparation.source.file === source.file);
    return candidates.find(isTwin) ?? null;
  });
}

const sameText = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b);

export interface WeightsChange {
  readonly state: WeightsState;
  readonly retryAt?: Date | null;
  readonly process?: { readonly pid: number; readonly started: string | null } | null;
  readonly file?: {
    readonly path: string;
    readonly bytes: number;
    readonly sha256: string;
    readonly revision: string | null;
  };
}

/**
 * Writes what became of weights, if they are still in one of the `from` statuses. False where they are not: somebody
 * canceled or deleted them.
 */
export function updateWeights(
  db: Db,
  id: string,
  from: readonly WeightsStatus[],
  { state, retryAt, process, file }: WeightsChange,
): Promise<boolean> {
  const detail = state.detail === null ? null : storable(state.detail);
  return withRetry(db, async () => {
    const result = await db
      .updateTable("weights")
      .set({
        status: state.status,
        state: JSON.stringify({ ...state, detail }),
        ...(retryAt === undefined ? {} : { retry_at: retryAt }),
        ...(process === undefined
          ? {}
          : { pid: process?.pid ?? null, process_started: process?.started ?? null }),
        ...(file === undefined
          ? {}
          : { path: file.path, bytes: file.bytes, sha256: file.sha256, revision: file.revision }),
      })
      .where("id", "=", id)
      .where("deleted_at", "is", null)
      .where("status", "in", [...from])
      .executeTakeFirst();
    return result.numUpdatedRows > 0n;
  });
}

/** Whether there was one. */
export function deleteWeights(db: Db, projectId: string, id: string, now: Date): Promise<boolean> {
  return withRetry(db, async () => {
    const result = await db
      .updateTable("weights")
      .set({ deleted_at: now })
      .where("project_id", "=", projectId)
      .where("id", "=", id)
      .where("deleted_at", "is", null)
      .executeTakeFirst();
    return result.numUpdatedRows > 0n;
  });
}

/** Whether weights that are not deleted, of any project, are made or have their file in a directory. */
export function isContentWanted(db: Db, platformId: string, directory: string): Promise<boolean> {
  return withRetry(db, async () => {
    const found = await live(db)
      .where("platform_id", "=", platformId)
      .where((where) =>
        where.or([
          // The last part of its path is the name of what is made there.
          where("content_key", "=", directory.slice(directory.lastIndexOf("/") + 1)),
          sql<boolean>`starts_with(path, ${`${directory}/`})`,
        ]),
      )
      .executeTakeFirst();
    return found !== undefined;
  });
}

/** Names of deployments whose model or draft models are files below that directory. @param projectId null: of any project */
export function deploymentsUsing(db: Db, directory: string, projectId: string | null): Promise<string[]> {
  return withRetry(db, async () => {
    const prefix = directory.endsWith("/") ? directory : `${directory}/`;
    const rows = await db
      .selectFrom("deployments")
      .innerJoin("versions", "versions.id", "deployments.version_id")
      .select("deployments.name")
      .where("deployments.deleted_at", "is", null)
      .$if(projectId !== null, (query) => query.where("deployments.project_id", "=", projectId ?? ""))
      .where(
        sql<boolean>`(starts_with(versions.weights_path, ${prefix}) or exists (
          select 1 from jsonb_array_elements(versions.draft_models) draft where starts_with(draft ->> 'path', ${prefix})))`,
      )
      .execute();
    return rows.map(({ name }) => name);
  });
}

export function toWeights(row: WeightsRow): Weights {
  const { detail, errorCode, progress, warnings } = row.state;
  return {
    id: row.id,
    source: row.source,
    name: row.name,
    repository: row.repository,
    revision: row.revision,
    quantization: row.quantization,
    status: row.status,
    detail,
    error_code: errorCode,
    warnings: [...warnings],
    progress,
    bytes: row.bytes,
    sha256: row.sha256,
    created_at: row.created_at.toISOString(),
  };
}

function live(db: Db) {
  return db.selectFrom("weights").selectAll().where("deleted_at", "is", null);
}

function ofPlatform(db: Db, projectId: string, platformId: string) {
  return live(db)
    .where("project_id", "=", projectId)
    .where("platform_id", "=", platformId)
    .orderBy("created_at", "desc")
    .orderBy("id", "desc");
}
