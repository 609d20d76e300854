// Rows that may go: deployments that were deleted and have no runs any more, versions that patches made and left, and those of
// deleted models. The database's own foreign keys have the last word.

import { rm } from "node:fs/promises";
import type { Thing } from "../domain/garbage.ts";
import { inTransaction, withRetry } from "../store/retry.ts";
import type { Db } from "../store/schema.ts";
import { usedFolders, usedNote, type GarbagePlaces } from "./places.ts";
import type { GarbageSource } from "./source.ts";

export function deploymentSource(db: Db, places: GarbagePlaces): GarbageSource {
  return {
    survey: async ({ deployments }) => deployments,
    async remove({ id }, usedSinceMs) {
      const isGone = await unlessReferred(() =>
        withRetry(db, () =>
          inTransaction(db, async (transaction) => {
            const row = await transaction
              .selectFrom("deployments")
              .select("id")
              .where("id", "=", id)
              .where("deleted_at", "<", new Date(usedSinceMs))
              .where((where) =>
                where.not(
                  where.exists(
                    where
                      .selectFrom("replicas")
                      .select("replicas.id")
                      .where("replicas.deployment_id", "=", id)
                      .where("replicas.status", "<>", "ended"),
                  ),
                ),
              )
              .forUpdate("deployments")
              .executeTakeFirst();
            if (row === undefined) return false;
            await transaction.deleteFrom("adapters").where("deployment_id", "=", id).execute();
            await transaction.deleteFrom("truss_states").where("deployment_id", "=", id).execute();
            await transaction.deleteFrom("replicas").where("deployment_id", "=", id).execute();
            await transaction.deleteFrom("deployments").where("id", "=", id).execute();
            return true;
          }),
        ),
      );
      if (!isGone) return false;
      // No replica of it comes again. A note that cannot be removed keeps nothing.
      for (const folder of usedFolders) await rm(usedNote(places, folder, id)).catch(() => undefined);
      return true;
    },
  };
}

export function versionSource(db: Db): GarbageSource {
  return {
    survey: async ({ versions }) => versions,
    remove: ({ id }: Thing, usedSinceMs) =>
      unlessReferred(() =>
        withRetry(db, async () => {
          const before = new Date(usedSinceMs);
          const { numDeletedRows } = await db
            .deleteFrom("versions")
            .where("id", "=", id)
            // A push of the same content keeps what a patch made; then it is no leftover.
            .where((where) =>
              where.or([
                where.and([where("patched", "=", true), where("created_at", "<", before)]),
                where.exists(
                  where
                    .selectFrom("models")
                    .select("models.id")
                    .whereRef("models.id", "=", "versions.model_id")
                    .where("models.deleted_at", "<", before),
                ),
              ]),
            )
            .executeTakeFirst();
          return numDeletedRows > 0n;
        }),
      ),
  };
}

/** Something that came in between refers to it. Source: PostgreSQL's foreign_key_violation. */
async function unlessReferred(remove: () => Promise<boolean>): Promise<boolean> {
  try {
    return await remove();
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "23503") return false;
    throw error;
  }
}
