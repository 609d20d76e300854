// Keys by their hashes, as authentication asks for them.

import type { Scope } from "@corral/contract";
import { callQueryMs, withRetry } from "../store/retry.ts";
import type { Store } from "../store/store.ts";
import type { AuthenticatorOptions, KeyRecord } from "./authenticate.ts";

interface Row {
  readonly hash: Buffer;
  readonly previous_hash: Buffer | null;
  readonly previous_until: Date | null;
  readonly id: string;
  readonly project_id: string;
  readonly scopes: Scope[];
  readonly models: string[] | null;
  readonly token_cap: number | null;
  readonly weight: number;
  readonly has_budget: boolean;
  readonly expires_at: Date | null;
  readonly revoked_at: Date | null;
}

/** Every call asks this, so PostgreSQL parses and plans it once a connection. */
const statement = {
  query_timeout: callQueryMs,
  name: "keys-by-hash",
  text: `select hash, previous_hash, previous_until, id, project_id, scopes, models, token_cap, weight, expires_at, revoked_at,
      exists (select from budgets where budgets.key_id = api_keys.id) as has_budget
    from api_keys where hash = any ($1::bytea[]) or previous_hash = any ($1::bytea[])`,
};

export function findKeyRecords({ db, pool }: Pick<Store, "db" | "pool">): AuthenticatorOptions["findKeys"] {
  return async (hashes) => {
    const values = [hashes.map((hash) => Buffer.from(hash, "hex"))];
    const { rows } = await withRetry(db, () => pool.query<Row>({ ...statement, values }));
    return new Map(rows.flatMap(recordsOf));
  };
}

/** Of the key as it is, and of its secret before that where it is still good for a while. */
function recordsOf(row: Row): [hash: string, record: KeyRecord][] {
  const record = {
    id: row.id,
    projectId: row.project_id,
    scopes: row.scopes,
    models: row.models,
    tokenCap: row.token_cap,
    weight: row.weight,
    hasBudget: row.has_budget,
    expiresAt: row.expires_at,
    revokedAt: row.revoked_at,
  };
  const current: [string, KeyRecord] = [row.hash.toString("hex"), record];
  const { previous_hash: hash, previous_until: until } = row;
  if (hash === null || until === null) return [current];
  const expiresAt = row.expires_at !== null && row.expires_at < until ? row.expires_at : until;
  return [current, [hash.toString("hex"), { ...record, expiresAt }]];
}
