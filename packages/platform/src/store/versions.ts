// Versions: immutable bundles. What a row says of its content is written once and never changed.

import { ServingError, type CodeInterface, type Version } from "@corral/contract";
import { sql } from "kysely";
import { versionId } from "./ids.ts";
import { afterCursor, pageOf, type Page, type PageQuery } from "./page.ts";
import { withRetry } from "./retry.ts";
import type { Db, VersionRow } from "./schema.ts";

export interface NewVersion {
  readonly projectId: string;
  readonly modelId: string;
  /** sha256 of the manifest. */
  readonly digest: string;
  readonly manifest: unknown;
  /** Null: its code answers by itself. */
  readonly weightsPath: string | null;
  readonly weightsSha256: string | null;
  /** Weights of draft models; default: none. */
  readonly draftModels?: readonly { readonly name: string; readonly path: string; readonly sha256: string }[];
  /** LoRA adapters; default: none. */
  readonly adapters?: readonly { readonly name: string; readonly path: string; readonly sha256: string }[];
  /** Name of the directory with its files; default: none were pushed. */
  readonly bundle?: string;
  /** Of code that a replica has loaded already. */
  readonly codeInterface?: CodeInterface;
  /** A patch made it, and nobody pushed it; default: it was pushed. */
  readonly patched?: boolean;
}

/** The version of that content: `created` is false where the model had it already. The row that was first stands. */
export function insertVersion(db: Db, input: NewVersion): Promise<{ row: VersionRow; created: boolean }> {
  const id = versionId(input.modelId, input.digest);
  return withRetry(db, async () => {
    const inserted = await db
      .insertInto("versions")
      .values({
        id,
        project_id: input.projectId,
        model_id: input.modelId,
        digest: input.digest,
        manifest: JSON.stringify(input.manifest),
        weights_path: input.weightsPath,
        weights_sha256: input.weightsSha256,
        draft_models: JSON.stringify(input.draftModels ?? []),
        adapters: JSON.stringify(input.adapters ?? []),
        bundle: input.bundle ?? null,
        patched: input.patched ?? false,
        ...(input.codeInterface === undefined ? {} : { code_interface: JSON.stringify(input.codeInterface) }),
      })
      // The id follows from model and digest, so two pushes at once may meet in either of the two indexes.
      .onConflict((conflict) => conflict.doNothing())
      .returning("id")
      .executeTakeFirst();
    // What a patch made before is kept once it is pushed.
    if (inserted === undefined && input.patched !== true)
      await db.updateTable("versions").set({ patched: false }).where("id", "=", id).execute();
    // Held until the caller's transaction ends: a version that somebody is about to use is not forgotten.
    const row = await joined(db, input.projectId)
      .where("versions.id", "=", id)
      .forKeyShare("versions")
      .executeTakeFirst();
    if (row === undefined)
      throw new ServingError("conflict", "The model was deleted meanwhile; push or deploy again.");
    return { row, created: inserted !== undefined };
  });
}

/** What a version's code says of itself: not a part of what was pushed, and the same as long as its packages are. */
export function setCodeInterface(db: Db, id: string, known: CodeInterface): Promise<void> {
  return withRetry(db, async () => {
    await db
      .updateTable("versions")
      .set({ code_interface: JSON.stringify(known) })
      .where("id", "=", id)
      .execute();
  });
}

/**
 * Forgets versions that patches made and that no deployment has: one by its id, or all but those of the last
 * `youngerMs`. Gives the names of the directories with their files.
 */
export function forgetPatched(
  db: Db,
  which: { readonly id: string } | { readonly youngerMs: number },
): Promise<string[]> {
  return withRetry(db, async () => {
    const rows = await db
      .deleteFrom("versions")
      .where("patched", "=", true)
      .where((where) =>
        "id" in which
          ? where("id", "=", which.id)
          : where(
              "created_at",
              "<",
              sql<Date>`clock_timestamp() - make_interval(secs => ${which.youngerMs / 1000})`,
            ),
      )
      .where((where) =>
        where.not(
          where.exists(
            where
              .selectFrom("deployments")
              .select("deployments.id")
              .whereRef("deployments.version_id", "=", "versions.id"),
          ),
        ),
      )
      .returning("bundle")
      .execute();
    return rows.flatMap(({ bundle }) => bundle ?? []);
  });
}

/** Names of the directories with the files of a model's versions. */
export function listBundles(db: Db, modelId: string): Promise<string[]> {
  return withRetry(db, async () => {
    const rows = await db
      .selectFrom("versions")
      .select("bundle")
      .distinct()
      .where("model_id", "=", modelId)
      .where("bundle", "is not", null)
      .execute();
    return rows.flatMap(({ bundle }) => bundle ?? []);
  });
}

/** Whether a version of a model that is not deleted, in any project, has its files in that directory. */
export function isBundleReferenced(db: Db, bundle: string): Promise<boolean> {
  return withRetry(db, async () => {
    const found = await db
      .selectFrom("versions")
      .innerJoin("models", "models.id", "versions.model_id")
      .select("versions.id")
      .where("models.deleted_at", "is", null)
      .where((where) =>
        where.or([
          where("versions.bundle", "=", bundle),
          // Of versions from before the directory was written down.
          sql<boolean>`strpos(versions.weights_path, ${`/bundles/${bundle}/`}) > 0`,
        ]),
      )
      .limit(1)
      .executeTakeFirst();
    return found !== undefined;
  });
}

export function getVersion(db: Db, projectId: string, id: string): Promise<VersionRow | null> {
  return withRetry(db, async () => {
    const row = await joined(db, projectId).where("versions.id", "=", id).executeTakeFirst();
    return row ?? null;
  });
}

/** Newest first; of one model where `modelId` is given. */
export function listVersions(
  db: Db,
  projectId: string,
  { limit, cursor, modelId }: PageQuery & { readonly modelId?: string | undefined },
): Promise<Page<VersionRow>> {
  return withRetry(db, async () => {
    let query = joined(db, projectId).where(afterCursor("versions", cursor));
    if (modelId !== undefined) query = query.where("versions.model_id", "=", modelId);
    const rows = await query
      .orderBy("versions.created_at", "desc")
      .orderBy("versions.id", "desc")
      .limit(limit + 1)
      .execute();
    return pageOf(rows, limit);
  });
}

export function toVersion(row: VersionRow): Version {
  return {
    id: row.id,
    model_id: row.model_id,
    model_name: row.model_name,
    digest: row.digest,
    weights_sha256: row.weights_sha256,
    created_at: row.created_at.toISOString(),
  };
}

function joined(db: Db, projectId: string) {
  return db
    .selectFrom("versions")
    .innerJoin("models", "models.id", "versions.model_id")
    .selectAll("versions")
    .select("models.name as model_name")
    .where("versions.project_id", "=", projectId)
    .where("models.deleted_at", "is", null);
}
