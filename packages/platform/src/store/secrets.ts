// Secrets of a project: their names for all to see, their values for what declares them. Values come and go sealed.

import { createHash } from "node:crypto";
import type { Secret } from "@corral/contract";
import type { SealedPlace } from "../secrets/sealing.ts";
import { afterCursor, pageOf, type Page, type PageQuery } from "./page.ts";
import { withRetry } from "./retry.ts";
import type { Db, SecretRow } from "./schema.ts";

type ListedSecret = Omit<SecretRow, "sealed">;

const listed = ["id", "project_id", "name", "created_at", "updated_at"] as const;

/** The same for as long as a project has a secret of the name, also across its deletion. */
export function secretId(projectId: string, name: string): string {
  return createHash("sha256")
    .update(JSON.stringify([projectId, name]))
    .digest("hex")
    .slice(0, 16);
}

export function secretPlace(id: string): SealedPlace {
  return { table: "secrets", row: id, column: "sealed" };
}

/** Makes it, or gives it another value. */
export function putSecret(
  db: Db,
  { projectId, name, sealed, now }: { projectId: string; name: string; sealed: Buffer; now: Date },
): Promise<ListedSecret> {
  const row = { id: secretId(projectId, name), project_id: projectId, name, sealed, updated_at: now };
  return withRetry(db, () =>
    db
      .insertInto("secrets")
      .values({ ...row, created_at: now })
      .onConflict((conflict) => conflict.column("id").doUpdateSet({ sealed, updated_at: now }))
      .returning(listed)
      .executeTakeFirstOrThrow(),
  );
}

export function listSecrets(
  db: Db,
  projectId: string,
  { limit, cursor }: PageQuery,
): Promise<Page<ListedSecret>> {
  return withRetry(db, async () => {
    const rows = await db
      .selectFrom("secrets")
      .select(listed)
      .where("project_id", "=", projectId)
      .where(afterCursor("secrets", cursor))
      .orderBy("created_at", "desc")
      .orderBy("id", "desc")
      .limit(limit + 1)
      .execute();
    return pageOf(rows, limit);
  });
}

/** Those that are there. */
export function findSecrets(
  db: Db,
  projectId: string,
  names: readonly string[],
): Promise<readonly SecretRow[]> {
  if (names.length === 0) return Promise.resolve([]);
  return withRetry(db, () =>
    db
      .selectFrom("secrets")
      .selectAll()
      .where("project_id", "=", projectId)
      .where("name", "in", [...names])
      .execute(),
  );
}

/** Null: the project has none of the name. */
export function deleteSecret(db: Db, projectId: string, name: string): Promise<ListedSecret | null> {
  return withRetry(db, async () => {
    const row = await db
      .deleteFrom("secrets")
      .where("project_id", "=", projectId)
      .where("name", "=", name)
      .returning(listed)
      .executeTakeFirst();
    return row ?? null;
  });
}

export function toSecret({ name, created_at, updated_at }: ListedSecret): Secret {
  return { name, created_at: created_at.toISOString(), updated_at: updated_at.toISOString() };
}
