// API keys: made once, kept as a hash, found by it. What a key may do is decided by the gateway.

import { createHash } from "node:crypto";
import type { Budget, CreateKey, Key, Scope } from "@corral/contract";
import { randomId, randomSecret, type NewId } from "./ids.ts";
import { afterCursor, pageOf, type Page, type PageQuery } from "./page.ts";
import { withRetry } from "./retry.ts";
import type { Db, KeyRow } from "./schema.ts";

export interface CreatedKey {
  readonly row: KeyRow;
  /** `corral_<id>_<secret>`: shown to its owner once, kept nowhere. */
  readonly key: string;
}

export interface KeyOptions {
  /** Id of the key that makes it; default: the operator does. */
  readonly madeBy?: string | null;
  readonly newId?: NewId;
  readonly newSecret?: () => string;
}

export async function createKey(
  db: Db,
  projectId: string,
  input: CreateKey,
  { madeBy = null, newId = randomId, newSecret = randomSecret }: KeyOptions = {},
): Promise<CreatedKey> {
  const id = newId();
  const prefix = `corral_${id}`;
  const key = `${prefix}_${newSecret()}`;
  const values = {
    id,
    project_id: projectId,
    name: input.name,
    prefix,
    hash: hashKey(key),
    scopes: input.scopes,
    models: input.models,
    token_cap: input.token_cap,
    weight: input.weight,
    expires_at: input.expires_at === null ? null : new Date(input.expires_at),
    made_by: madeBy,
  };
  const row = await withRetry(db, async () => {
    // The hash is this call's own: a row with it was written by an attempt whose answer was lost.
    await db
      .insertInto("api_keys")
      .values(values)
      .onConflict((conflict) => conflict.column("hash").doNothing())
      .execute();
    return db.selectFrom("api_keys").selectAll().where("hash", "=", values.hash).executeTakeFirstOrThrow();
  });
  return { row, key };
}

/** sha256 of the key's text. */
export function hashKey(key: string): Buffer {
  return createHash("sha256").update(key).digest();
}

/** The keys with these hashes, of every project, expired and revoked ones included: see `keyState`. */
export function findKeysByHashes(db: Db, hashes: readonly Buffer[]): Promise<KeyRow[]> {
  if (hashes.length === 0) return Promise.resolve([]);
  return withRetry(db, () => db.selectFrom("api_keys").selectAll().where("hash", "in", hashes).execute());
}

export type KeyState = "valid" | "expired" | "revoked";

export function keyState(row: Pick<KeyRow, "expires_at" | "revoked_at">, now: Date): KeyState {
  if (row.revoked_at !== null) return "revoked";
  return row.expires_at !== null && row.expires_at <= now ? "expired" : "valid";
}

export function findKey(db: Db, projectId: string, id: string): Promise<KeyRow | null> {
  return withRetry(db, async () => {
    const query = db
      .selectFrom("api_keys")
      .selectAll()
      .where("project_id", "=", projectId)
      .where("id", "=", id);
    return (await query.executeTakeFirst()) ?? null;
  });
}

export function listKeys(db: Db, projectId: string, { limit, cursor }: PageQuery): Promise<Page<KeyRow>> {
  return withRetry(db, async () => {
    const rows = await db
      .selectFrom("api_keys")
      .selectAll()
      .where("project_id", "=", projectId)
      .where(afterCursor("api_keys", cursor))
      .orderBy("created_at", "desc")
      .orderBy("id", "desc")
      .limit(limit + 1)
      .execute();
    return pageOf(rows, limit);
  });
}

/** The key, revoked at `now` or already before; null where the project has none of that id. */
export function revokeKey(db: Db, projectId: string, id: string, now: Date): Promise<KeyRow | null> {
  return withRetry(db, async () => {
    const row = await db
      .updateTable("api_keys")
      .set((expression) => ({ revoked_at: expression.fn.coalesce("revoked_at", expression.val(now)) }))
      .where("project_id", "=", projectId)
      .where("id", "=", id)
      .returningAll()
      .executeTakeFirst();
    return row ?? null;
  });
}

export interface KeyChange {
  readonly name?: string | undefined;
  readonly scopes?: Scope[] | undefined;
  readonly models?: string[] | null | undefined;
  readonly token_cap?: number | null | undefined;
  readonly weight?: number | undefined;
  readonly expires_at?: Date | null | undefined;
}

/** Null where the project has none of that id that is not revoked. */
export function changeKey(db: Db, projectId: string, id: string, change: KeyChange): Promise<KeyRow | null> {
  return withRetry(db, async () => {
    const row = await db
      .updateTable("api_keys")
      // The id as well: a change of nothing is one, too.
      .set({ id, ...change })
      .where("project_id", "=", projectId)
      .where("id", "=", id)
      .where("revoked_at", "is", null)
      .returningAll()
      .executeTakeFirst();
    return row ?? null;
  });
}

export interface RotateKey {
  readonly id: string;
  /** Until then the secret so far is good as well; one before it is not. */
  readonly overlapUntil: Date;
}

/** The key with a new secret. Null where the project has none of that id that is not revoked. */
export async function rotateKey(
  db: Db,
  projectId: string,
  { id, overlapUntil }: RotateKey,
  { newSecret = randomSecret }: Pick<KeyOptions, "newSecret"> = {},
): Promise<CreatedKey | null> {
  const key = `corral_${id}_${newSecret()}`;
  const hash = hashKey(key);
  const row = await withRetry(db, async () => {
    // An attempt whose answer was lost has written this very hash, and it must not take its own place.
    await db
      .updateTable("api_keys")
      .set((expression) => ({
        previous_hash: expression.ref("hash"),
        previous_until: overlapUntil,
        hash,
      }))
      .where("project_id", "=", projectId)
      .where("id", "=", id)
      .where("revoked_at", "is", null)
      .where("hash", "!=", hash)
      .execute();
    return await db.selectFrom("api_keys").selectAll().where("hash", "=", hash).executeTakeFirst();
  });
  return row === undefined ? null : { row, key };
}

export function toKey(row: KeyRow, budget: Budget | null = null): Key {
  return {
    id: row.id,
    name: row.name,
    prefix: row.prefix,
    scopes: row.scopes,
    models: row.models,
    token_cap: row.token_cap,
    weight: row.weight,
    token_budget: budget,
    created_at: row.created_at.toISOString(),
    expires_at: row.expires_at?.toISOString() ?? null,
    revoked_at: row.revoked_at?.toISOString() ?? null,
    last_used_at: row.last_used_at?.toISOString() ?? null,
    previous_valid_until: row.previous_until?.toISOString() ?? null,
  };
}
