// What every call asks the database: whose key it came with, and what the key's project has under which names. One query
// for both, and for all calls of about the same time; its rows come as JSON, which is read several times faster.

import type { DeploymentStatus, Scope } from "@corral/contract";
import { callQueryMs, withRetry } from "../store/retry.ts";
import type { Store } from "../store/store.ts";
import type { AddressedDeployment } from "./address-book.ts";
import type { KeyRecord } from "./authenticate.ts";
import { batchLookups } from "./batch.ts";

export interface CallLookups {
  /** By the hex sha256 of the key; null: there is none. */
  readonly findKey: (hash: string) => Promise<KeyRecord | null>;
  /** Every deployment of a project that is not deleted. */
  readonly listAddressed: (projectId: string) => Promise<readonly AddressedDeployment[]>;
}

interface KeyRow {
  /** Hexadecimal, as the one before it. */
  readonly hash: string;
  readonly previous_hash: string | null;
  /** All times in milliseconds since the epoch. */
  readonly previous_until: number | null;
  readonly id: string;
  readonly project_id: string;
  readonly scopes: Scope[];
  readonly models: string[] | null;
  readonly token_cap: number | null;
  readonly weight: number;
  readonly has_budget: boolean;
  readonly expires_at: number | null;
  readonly revoked_at: number | null;
}

interface DeploymentRow {
  readonly id: string;
  readonly name: string;
  readonly project_id: string;
  readonly model_id: string;
  readonly model_name: string;
  readonly model_title: string;
  readonly status: DeploymentStatus;
  readonly status_detail: string | null;
  readonly identifiers: string[];
  readonly deployed_at: number;
  readonly production: boolean;
  readonly development: boolean;
  readonly stores_runs: boolean;
}

interface Found {
  readonly keys: readonly KeyRow[];
  readonly deployments: readonly DeploymentRow[];
}

const milliseconds = (column: string) => `(extract(epoch from ${column}) * 1000)::float8`;

const keys = `(select coalesce(json_agg(k), '[]') from (
      select encode(hash, 'hex') as hash, encode(previous_hash, 'hex') as previous_hash,
        ${milliseconds("previous_until")} as previous_until, id, project_id, scopes, models, token_cap, weight,
        ${milliseconds("expires_at")} as expires_at, ${milliseconds("revoked_at")} as revoked_at,
        exists (select from budgets where budgets.key_id = api_keys.id) as has_budget
      from api_keys where hash = any ($1::bytea[]) or previous_hash = any ($1::bytea[])
    ) k) as keys`;

const deployments = `(select coalesce(json_agg(a), '[]') from (
      select d.id, d.name, d.project_id, d.model_id, m.name as model_name,
        coalesce(m.title, m.name) as model_title, d.status, d.status_detail, d.identifiers,
        ${milliseconds("d.deployed_at")} as deployed_at,
        coalesce(m.production_deployment_id = d.id, false) as production, d.development, p.stores_runs
      from deployments d join models m on m.id = d.model_id join projects p on p.id = d.project_id
      where d.project_id = any ($2::text[]) and d.deleted_at is null
    ) a) as deployments`;

/** PostgreSQL parses and plans them once a connection. Who asks for keys alone waits for no other table. */
const statements = {
  keys: { query_timeout: callQueryMs, name: "keys", text: `select ${keys}, '[]'::json as deployments` },
  both: { query_timeout: callQueryMs, name: "keys-and-addresses", text: `select ${keys}, ${deployments}` },
};

/** Keys and projects are asked for in one batch, told apart by how their names begin. */
const keyPrefix = "key ";
const projectPrefix = "project ";

type Value =
  | { readonly kind: "key"; readonly record: KeyRecord }
  | { readonly kind: "project"; readonly deployments: readonly AddressedDeployment[] };

export function createCallLookups({ db, pool }: Pick<Store, "db" | "pool">): CallLookups {
  const find = batchLookups<Value>(async (names) => {
    const hashes = without(keyPrefix, names);
    const projectIds = without(projectPrefix, names);
    const bytes = hashes.map((hash) => Buffer.from(hash, "hex"));
    const query =
      projectIds.length === 0
        ? { ...statements.keys, values: [bytes] }
        : { ...statements.both, values: [bytes, projectIds] };
    const { rows } = await withRetry(db, () => pool.query<Found>(query));
    const [found = { keys: [], deployments: [] }] = rows;
    const byProject = new Map<string, AddressedDeployment[]>(projectIds.map((id) => [id, []]));
    for (const row of found.deployments) byProject.get(row.project_id)?.push(addressedDeployment(row));
    return new Map<string, Value>([
      ...found.keys
        .flatMap(recordsOf)
        .map(([hash, record]): [string, Value] => [`${keyPrefix}${hash}`, { kind: "key", record }]),
      ...[...byProject].map(([id, all]): [string, Value] => [
        `${projectPrefix}${id}`,
        { kind: "project", deployments: all },
      ]),
    ]);
  });
  return {
    async findKey(hash) {
      const found = await find(`${keyPrefix}${hash}`);
      return found?.kind === "key" ? found.record : null;
    },
    async listAddressed(projectId) {
      const found = await find(`${projectPrefix}${projectId}`);
      return found?.kind === "project" ? found.deployments : [];
    },
  };
}

function without(prefix: string, names: readonly string[]): string[] {
  return names.filter((name) => name.startsWith(prefix)).map((name) => name.slice(prefix.length));
}

/** Of the key as it is, and of its secret before that where it is still good for a while. */
function recordsOf(row: KeyRow): [hash: string, record: KeyRecord][] {
  const expiresAt = dateOf(row.expires_at);
  const record = {
    id: row.id,
    projectId: row.project_id,
    scopes: row.scopes,
    models: row.models,
    tokenCap: row.token_cap,
    weight: row.weight,
    hasBudget: row.has_budget,
    expiresAt,
    revokedAt: dateOf(row.revoked_at),
  };
  const { previous_hash: hash } = row;
  const until = dateOf(row.previous_until);
  if (hash === null || until === null) return [[row.hash, record]];
  const earlier = expiresAt !== null && expiresAt < until ? expiresAt : until;
  return [
    [row.hash, record],
    [hash, { ...record, expiresAt: earlier }],
  ];
}

function dateOf(ms: number | null): Date | null {
  return ms === null ? null : new Date(ms);
}

function addressedDeployment(row: DeploymentRow): AddressedDeployment {
  return {
    id: row.id,
    name: row.name,
    projectId: row.project_id,
    modelId: row.model_id,
    modelName: row.model_name,
    modelTitle: row.model_title,
    status: row.status,
    statusDetail: row.status_detail,
    identifiers: row.identifiers,
    production: row.production,
    development: row.development,
    storesRuns: row.stores_runs,
    deployedAtMs: Math.floor(row.deployed_at),
  };
}
