// The database as the platform holds it: one pool, one typed query builder, the schema brought up to date first.
// Knows nothing of who started the server.

import { ServingError } from "@corral/contract";
import { Kysely, PostgresDialect } from "kysely";
import pg from "pg";
import type { Pool, PoolConfig } from "pg";
import { migrate } from "./migrate.ts";
import { isUnanswered, withRetry } from "./retry.ts";
import type { Database } from "./schema.ts";

export interface Store {
  readonly db: Kysely<Database>;
  readonly pool: Pool;
  close(): Promise<void>;
}

export type StoreOptions = (
  | { readonly connection: PoolConfig; readonly databaseUrl?: undefined }
  | { readonly connection?: undefined; readonly databaseUrl: string }
) & {
  /** Default 20; the embedded server takes 60 in all. */
  readonly maxConnectionCount?: number;
  /** How long a server that does not answer yet is waited for. Default 15,000. */
  readonly openForMs?: number;
  /** How long an answer is waited for, before the connection is taken for lost. Default 35,000. */
  readonly answerWithinMs?: number;
  readonly onLog?: (line: string) => void;
};

/** The oldest PostgreSQL that the tests run on. */
const oldestMajor = 15;
const statementTimeout = "30s";
/** More than the server's own limit: only a server that is silent is met by it. */
const answerWithinMs = 35_000;

/**
 * Connects, refuses a server that is too old and applies the migrations that are missing.
 * Fails with `database_unavailable`; every store function fails so as well while the server is away.
 */
export async function openStore(options: StoreOptions): Promise<Store> {
  const pool = openPool(options);
  const db = new Kysely<Database>({ dialect: new PostgresDialect({ pool }) });
  try {
    await withRetry(db, () => checkServer(pool), { forMs: options.openForMs ?? 15_000 });
    await withRetry(db, () => migrate(pool));
  } catch (error) {
    await pool.end();
    throw error;
  }
  // Kysely ends the pool only where it has run a query; ending the pool itself is enough.
  let closing: Promise<void> | null = null;
  return { db, pool, close: () => (closing ??= pool.end()) };
}

/**
 * A client that gives its connection up with a query that stays unanswered: a server behind a broken network, or
 * one that was stopped, never ends it, and the next query would wait behind the first for ever.
 */
class ImpatientClient extends pg.Client {
  override query(...args: never[]): never {
    const answer: unknown = Reflect.apply(super.query.bind(this), this, args);
    if (answer instanceof Promise) {
      answer.catch((error: unknown) => {
        if (isUnanswered(error)) this.connection.stream.destroy();
      });
    }
    return answer as never;
  }
}

function openPool(options: StoreOptions): Pool {
  const { onLog = () => {} } = options;
  const pool = new pg.Pool({
    ...(options.connection ?? { connectionString: options.databaseUrl }),
    application_name: "corral",
    max: options.maxConnectionCount ?? 20,
    connectionTimeoutMillis: 5_000,
    query_timeout: options.answerWithinMs ?? answerWithinMs,
    Client: ImpatientClient,
    keepAlive: true,
    // Counts and numbers are far below 2^53; pg would give them as text.
    types: { getTypeParser: (oid, format) => (oid === int8 ? Number : pg.types.getTypeParser(oid, format)) },
    // Not as a start-up parameter, which poolers in front of a server refuse.
    // oxlint-disable-next-line typescript/no-misused-promises -- the pool waits for it; its types do not say so
    onConnect: async (client) => {
      // A connection that breaks between two statements of a transaction tells nobody but this listener, and
      // without one it would end the process. The next statement fails and is handled.
      client.on("error", () => {});
      await client.query(`set statement_timeout = '${statementTimeout}'`);
    },
  });
  // The same for one that waits in the pool: the next query gets another.
  pool.on("error", (error) => onLog(`database: an idle connection was lost: ${error.message}`));
  return pool;
}

const int8 = 20;

async function checkServer(pool: Pool): Promise<void> {
  const { rows } = await pool.query<{ server_version: string; number: string }>(
    "select current_setting('server_version') server_version, current_setting('server_version_num') number",
  );
  const [row] = rows;
  if (row === undefined) throw new TypeError("PostgreSQL told no version.");
  if (Number(row.number) >= oldestMajor * 10_000) return;
  throw new ServingError(
    "database_unavailable",
    `The database is PostgreSQL ${row.server_version}; Corral needs ${oldestMajor} or newer.`,
  );
}
