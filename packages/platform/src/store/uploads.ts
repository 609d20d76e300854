// Archives that may be sent by S3's protocol: who may send which, until when, which requests were carried out, and what
// they take on disk.

import { randomUUID } from "node:crypto";
import { sql } from "kysely";
import { randomAccessKey, type NewId } from "./ids.ts";
import { inTransaction, withRetry } from "./retry.ts";
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

/** A signed request, and what it will take on disk. */
export interface UploadRequest {
  readonly signature: string;
  readonly uploadId: string;
  /** Of an upload in parts; null: it is for the whole archive. */
  readonly attempt: string | null;
  /** Null: it brings no part. */
  readonly part: number | null;
  /** Most bytes that it brings. */
  readonly bytes: number;
}

export interface UploadLimits {
  /** Of all that an upload has on disk, what is on its way included. */
  readonly maxBytes: number;
  /** Attempts in parts that were begun, and neither given up nor completed. */
  readonly maxAttempts: number;
}

export type UploadClaim =
  | { readonly kind: "claimed" }
  /** It was carried out, or is being. */
  | { readonly kind: "sent_before" }
  | { readonly kind: "no_room"; readonly takenBytes: number }
  | { readonly kind: "many_attempts" };

/** Writes a request down before it is carried out: of equal ones that come at the same time one is claimed. */
export function claimRequest(
  db: Db,
  { signature, uploadId, attempt, part, bytes }: UploadRequest,
  { maxBytes, maxAttempts }: UploadLimits,
  claim = randomUUID(),
): Promise<UploadClaim> {
  return withRetry(db, () =>
    inTransaction(db, async (transaction) => {
      // What is counted below changes under this lock alone.
      await transaction.selectFrom("uploads").select("id").where("id", "=", uploadId).forUpdate().execute();
      const known = await transaction
        .selectFrom("upload_requests")
        .select("claim")
        .where("signature", "=", signature)
        .executeTakeFirst();
      if (known !== undefined) return { kind: known.claim === claim ? "claimed" : "sent_before" };
      const rows = await transaction
        .selectFrom("upload_requests")
        .select(["attempt", "part", "bytes", "carried_out"])
        .where("upload_id", "=", uploadId)
        .execute();
      // What is there of the same part is replaced.
      const others = rows.filter((row) => !(row.carried_out && row.attempt === attempt && row.part === part));
      const takenBytes = others.reduce((sum, row) => sum + row.bytes, 0);
      if (bytes > 0 && takenBytes + bytes > maxBytes) return { kind: "no_room", takenBytes };
      const attempts = new Set(rows.flatMap((row) => row.attempt ?? []));
      if (attempt !== null && !attempts.has(attempt) && attempts.size >= maxAttempts)
        return { kind: "many_attempts" };
      await transaction
        .insertInto("upload_requests")
        .values({ signature, upload_id: uploadId, attempt, part, bytes, claim, carried_out: false })
        .execute();
      return { kind: "claimed" };
    }),
  );
}

/** What a carried out request left on disk of its upload. */
export type UploadOutcome =
  /** A part, in place of the one before. */
  | "part"
  /** The whole archive, and nothing else. */
  | "archive"
  /** Nothing of the attempt. */
  | "abandoned"
  /** An attempt that was begun. */
  | "begun";

/** It was carried out, and is never again. What it replaced takes no room any more. */
export function finishRequest(
  db: Db,
  { signature, uploadId, attempt, part }: UploadRequest,
  outcome: UploadOutcome,
): Promise<void> {
  return withRetry(db, () =>
    inTransaction(db, async (transaction) => {
      await transaction
        .updateTable("upload_requests")
        .set({ carried_out: true })
        .where("signature", "=", signature)
        .execute();
      if (outcome === "begun") return;
      const own = sql<boolean>`attempt is not distinct from ${attempt}`;
      let replaced = transaction
        .updateTable("upload_requests")
        .set(outcome === "part" ? { bytes: 0 } : { bytes: 0, attempt: null })
        .where("upload_id", "=", uploadId);
      if (outcome === "part")
        replaced = replaced
          .where("signature", "<>", signature)
          .where("carried_out", "=", true)
          .where(own)
          .where(sql<boolean>`part is not distinct from ${part}`);
      else if (outcome === "abandoned") replaced = replaced.where(own);
      // Of an archive in parts, its own parts stay; one that came at once is its own request.
      else
        replaced = replaced
          .where("signature", "<>", signature)
          .where(sql<boolean>`(${attempt}::text is null or not ${own})`);
      await replaced.execute();
    }),
  );
}

/** It failed: the same may be sent again. */
export function forgetRequest(db: Db, signature: string): Promise<void> {
  return withRetry(db, async () => {
    await db
      .deleteFrom("upload_requests")
      .where("signature", "=", signature)
      .where("carried_out", "=", false)
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
