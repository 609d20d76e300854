// Keys that callers gave their calls: which run each stands for, and what that was answered with. One row a key; who
// writes it carries the call out.

import type { RunStatus } from "@corral/contract";
import { withRetry } from "./retry.ts";
import type { Store } from "./store.ts";

export interface KeyPlace {
  readonly projectId: string;
  /** '': the operator's own key. */
  readonly keyId: string;
  readonly key: string;
}

export interface KeyClaim extends KeyPlace {
  readonly digest: Buffer;
  readonly runId: string;
  readonly platformId: string;
}

export interface HeldKey {
  readonly digest: Buffer;
  readonly run_id: string;
  /** Somebody says that they are at it. */
  readonly leased: boolean;
  /** Null: no such run has begun. */
  readonly status: RunStatus | null;
  readonly asynchronous: boolean | null;
  readonly cancel_requested_at: Date | null;
  readonly answer_status: number | null;
  readonly content_type: string | null;
  readonly body: Buffer | null;
}

type Database = Pick<Store, "db" | "pool">;

const leased = "now() + interval '30 seconds'";
/** So long the same key stands for the same call. */
const kept = "now() + interval '24 hours'";
const placed = "project_id = $1 and key_id = $2 and key = $3";
const placeOf = ({ projectId, keyId, key }: KeyPlace) => [projectId, keyId, key];

/** True: the key is this call's from now on. */
export async function claimKey({ db, pool }: Database, claim: KeyClaim): Promise<boolean> {
  const { rowCount } = await withRetry(db, () =>
    pool.query(
      `insert into idempotency_keys (project_id, key_id, key, digest, run_id, platform_id, leased_until, expires_at)
        values ($1, $2, $3, $4, $5, $6, ${leased}, ${kept})
        on conflict (project_id, key_id, key) do update set digest = excluded.digest, run_id = excluded.run_id,
          platform_id = excluded.platform_id, leased_until = excluded.leased_until, expires_at = excluded.expires_at
        -- Its own claim, where the answer to it was lost on the way.
        where idempotency_keys.expires_at <= now() or idempotency_keys.run_id = excluded.run_id`,
      [...placeOf(claim), claim.digest, claim.runId, claim.platformId],
    ),
  );
  return rowCount === 1;
}

/** The same where another run stood for it, if that is still the one. */
export async function takeOverKey({ db, pool }: Database, claim: KeyClaim, from: string): Promise<boolean> {
  const { rowCount } = await withRetry(db, () =>
    pool.query(
      `update idempotency_keys set digest = $4, run_id = $5, platform_id = $6, leased_until = ${leased},
          expires_at = ${kept}
        where ${placed} and run_id in ($5, $7)`,
      [...placeOf(claim), claim.digest, claim.runId, claim.platformId, from],
    ),
  );
  return rowCount === 1;
}

/** Null: it is nobody's any more. */
export async function readKey({ db, pool }: Database, place: KeyPlace): Promise<HeldKey | null> {
  const { rows } = await withRetry(db, () =>
    pool.query<HeldKey>(
      `select digest, idempotency_keys.run_id, leased_until > now() as leased, runs.status, runs.asynchronous,
          runs.cancel_requested_at, run_answers.status as answer_status, content_type, run_answers.body
        from idempotency_keys left join runs on runs.id = idempotency_keys.run_id
          left join run_answers on run_answers.run_id = idempotency_keys.run_id
        where idempotency_keys.project_id = $1 and idempotency_keys.key_id = $2 and idempotency_keys.key = $3`,
      placeOf(place),
    ),
  );
  return rows[0] ?? null;
}

/** While it is carried out. */
export async function renewKey({ db, pool }: Database, place: KeyPlace, runId: string): Promise<void> {
  await withRetry(db, () =>
    pool.query(`update idempotency_keys set leased_until = ${leased} where ${placed} and run_id = $4`, [
      ...placeOf(place),
      runId,
    ]),
  );
}

/**
 * Once its call is over: a run that has not succeeded, or never began, leaves the key free. One that somebody ended keeps it,
 * so that those who wait for it hear of that; the next call takes the key over.
 */
export async function settleKey({ db, pool }: Database, place: KeyPlace, runId: string): Promise<void> {
  await withRetry(db, () =>
    pool.query(
      `delete from idempotency_keys where ${placed} and run_id = $4 and not exists (
        select from runs where id = $4 and (status in ('queued', 'running', 'succeeded')
          or (status = 'canceled' and cancel_requested_at is not null)))`,
      [...placeOf(place), runId],
    ),
  );
}

/** At the start of a platform process: what the one before it was at is nobody's now. */
export async function sweepKeys({ db, pool }: Database, platformId: string): Promise<void> {
  await withRetry(db, () =>
    pool.query("update idempotency_keys set leased_until = now() where platform_id = $1", [platformId]),
  );
}

/** A key that stands for nothing any more. */
export async function removeOldKeys({ db, pool }: Database): Promise<void> {
  await withRetry(db, () => pool.query("delete from idempotency_keys where expires_at < now()"));
}
