// The schema, step by step: numbered .sql files, each applied once, in order, in a transaction of its own.
// Knows nothing of what they make.

import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { ServingError } from "@corral/contract";
import type { Pool, PoolClient } from "pg";
import { withRetry } from "./retry.ts";
import type { Db } from "./schema.ts";

export interface Migration {
  /** From 1, ascending. */
  readonly number: number;
  readonly name: string;
  readonly sql: string;
  readonly sha256: string;
}

/** Any number that others do not use: whoever holds it alone changes the schema. */
const lockKey = 5_526_000_001;

/** A migration takes as long as the tables are large, and who waits for the lock waits for it. */
const patient = { query_timeout: 24 * 60 * 60_000 };

export const migrationsDirectory = join(import.meta.dirname, "migrations");

/**
 * Applies what is missing and answers the numbers of what it applied. Several processes may call it at once.
 * Fails with `database_unavailable` where an applied migration is not the one that is here now.
 */
export async function migrate(pool: Pool, directory = migrationsDirectory): Promise<number[]> {
  const migrations = await readMigrations(directory);
  const client = await pool.connect();
  let failure: Error | undefined;
  try {
    await client.query("set statement_timeout = 0");
    await client.query({ ...patient, text: "select pg_advisory_lock($1)", values: [lockKey] });
    return await applyMissing(client, migrations);
  } catch (error) {
    failure = error instanceof Error ? error : new Error(String(error));
    throw error;
  } finally {
    // The session goes with its lock and settings: cheaper to trust than undoing both.
    client.release(failure ?? true);
  }
}

/** The same for as long as the database lives, wherever it is moved: when its first migration was applied. */
export async function readDatabaseId(db: Db): Promise<string> {
  const first = await withRetry(db, () =>
    db.selectFrom("schema_migrations").select("applied_at").where("number", "=", 1).executeTakeFirstOrThrow(),
  );
  return first.applied_at.toISOString();
}

export async function readMigrations(directory: string): Promise<Migration[]> {
  const names = (await readdir(directory)).filter((name) => name.endsWith(".sql")).toSorted();
  return Promise.all(
    names.map(async (name, index) => {
      const number = Number(/^(\d{4})-/.exec(name)?.[1]);
      // A number may be missing, where a step was given up; two steps of one number have no order.
      if (!(number > Number(names[index - 1]?.slice(0, 4) ?? 0))) {
        throw new TypeError(`${name} in ${directory} should begin with a number of its own, such as 0001-.`);
      }
      // A checkout may have changed the line ends; the meaning is the same.
      const sql = (await readFile(join(directory, name), "utf8")).replaceAll("\r\n", "\n");
      return { number, name, sql, sha256: createHash("sha256").update(sql).digest("hex") };
    }),
  );
}

async function applyMissing(client: PoolClient, migrations: readonly Migration[]): Promise<number[]> {
  await client.query(`create table if not exists schema_migrations (
    number integer primary key,
    name text not null,
    sha256 text not null,
    applied_at timestamptz(3) not null default now()
  )`);
  const { rows: applied } = await client.query<{ number: number; name: string; sha256: string }>(
    "select number, name, sha256 from schema_migrations order by number",
  );
  for (const row of applied)
    checkApplied(
      row,
      migrations.find(({ number }) => number === row.number),
    );
  const missing = migrations.filter(({ number }) => !applied.some((row) => row.number === number));
  for (const migration of missing) await apply(client, migration);
  return missing.map(({ number }) => number);
}

function checkApplied(row: { name: string; sha256: string }, migration: Migration | undefined): void {
  if (migration?.sha256 === row.sha256) return;
  const detail =
    migration === undefined
      ? `The database has the migration ${row.name}, which this Corral does not know; start the newer Corral that made it.`
      : `The migration ${migration.name} was changed after it had been applied as ${row.name}; restore it and write a new one.`;
  throw new ServingError("database_unavailable", detail);
}

async function apply(client: PoolClient, migration: Migration): Promise<void> {
  await client.query("begin");
  try {
    await client.query({ ...patient, text: migration.sql });
    await client.query("insert into schema_migrations (number, name, sha256) values ($1, $2, $3)", [
      migration.number,
      migration.name,
      migration.sha256,
    ]);
    await client.query("commit");
  } catch (error) {
    await client.query("rollback").catch(() => {});
    throw error;
  }
}
