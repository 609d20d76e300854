// Archives that may be sent by S3's protocol: who may send which, until when, and which requests were carried out.

import { randomAccessKey, type NewId } from "./ids.ts";
import { withRetry } from "./retry.ts";
import type { Db, UploadRow } from "./schema.ts";

export interface NewUpload {
  readonly projectId: string;
  /** Null: the operator's key. */
  readonly keyId: string | null;
  readonly expiresAt: Date;
}

/** Its id is the access key of whoever sends it. */
export function createUpload(db: Db, input: NewUpload, newId: NewId = randomAccessKey): Promise<UploadRow> {
  const id = newId();
  return withRetry(db, async () => {
    await db
      .insertInto("uploads")
      .values({
        id,
        project_id: input.projectId,
        key_id: input.keyId,
        expires_at: input.expiresAt,
      })
      .onConflict((conflict) => conflict.doNothing())
      .execute();
    return db.selectFrom("uploads").selectAll().where("id", "=", id).executeTakeFirstOrThrow();
  });
}

export function findUpload(db: Db, id: string): Promise<UploadRow | null> {
  return withRetry(db, async () => {
    const row = await db.selectFrom("uploads").selectAll().where("id", "=", id).executeTakeFirst();
    return row ?? null;
  });
}

/** From now on nothing is written to it. */
export function useUpload(db: Db, id: string, now: Date): Promise<void> {
  return withRetry(db, async () => {
    await db
      .updateTable("uploads")
      .set((expression) => ({ used_at: expression.fn.coalesce("used_at", expression.val(now)) }))
      .where("id", "=", id)
      .execute();
  });
}

/** Whether a request with this signature was carried out. */
export function wasCarriedOut(db: Db, signature: string): Promise<boolean> {
  return withRetry(db, async () => {
    const found = await db
      .selectFrom("upload_requests")
      .select("signature")
      .where("signature", "=", signature)
      .executeTakeFirst();
    return found !== undefined;
  });
}

export function rememberCarriedOut(db: Db, uploadId: string, signature: string): Promise<void> {
  return withRetry(db, async () => {
    await db
      .insertInto("upload_requests")
      .values({ signature, upload_id: uploadId })
      .onConflict((conflict) => conflict.doNothing())
      .execute();
  });
}

/** Forgets uploads that ended before `before`, and gives their ids. */
export function removeExpiredUploads(db: Db, before: Date): Promise<string[]> {
  return withRetry(db, async () => {
    const rows = await db.deleteFrom("uploads").where("expires_at", "<", before).returning("id").execute();
    return rows.map(({ id }) => id);
  });
}

/** True where it ended before `before`, and is forgotten now, or was before. */
export function removeExpiredUpload(db: Db, id: string, before: Date): Promise<boolean> {
  return withRetry(db, async () => {
    await db.deleteFrom("uploads").where("id", "=", id).where("expires_at", "<", before).execute();
    return (await findUpload(db, id)) === null;
  });
}

/** Which of these there are. */
export function knownUploads(db: Db, ids: readonly string[]): Promise<ReadonlySet<string>> {
  if (ids.length === 0) return Promise.resolve(new Set());
  return withRetry(db, async () => {
    const rows = await db.selectFrom("uploads").select("id").where("id", "in", ids).execute();
    return new Set(rows.map(({ id }) => id));
  });
}
