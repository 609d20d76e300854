// A store for tests: real PostgreSQL, one server a test process, one migrated template, a copy of it per call.
// Imported by test files only. Everything it makes is gone when the test process ends.
//
// CORRAL_TEST_DATABASE_URL names a server to use instead (PostgreSQL 15, say); its user must be able to create
// databases.

import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import type { PoolConfig } from "pg";
import { startPostgres, type EmbeddedPostgres } from "../postgres/start-postgres.ts";
import { openStore, type Store } from "./store.ts";

export interface TestStore extends Store, AsyncDisposable {
  /** How another process reaches this database. */
  readonly connection: PoolConfig;
}

interface Server {
  readonly connection: PoolConfig;
  readonly template: string;
  stop(): Promise<void>;
}

let server: Promise<Server> | null = null;
const open = new Set<TestStore>();

// Registered when the file is imported: at the root, whichever test asks for the first store. A measurement must not
// even import the test runner, whose hooks follow every promise.
if (process.argv[1]?.endsWith(".test.ts") === true) {
  const { after } = await import("node:test");
  after(async () => {
    for (const store of open) await store.close();
    await (await server)?.stop();
  });
}

export interface TestStoreOptions {
  /** Commits survive a power cut, as in the product; for measurements. The first store of a process decides. */
  readonly durable?: boolean;
}

/** A migrated, empty database of its own with the project "default". Closed at the end if not before. */
export async function openTestStore({ durable = false }: TestStoreOptions = {}): Promise<TestStore> {
  const { connection, template } = await (server ??= startServer(durable));
  const database = `test_${randomUUID().replaceAll("-", "")}`;
  await administer(connection, `create database ${database} template ${template}`);
  const store = await openStore({ connection: { ...connection, database } });
  const close = async () => {
    if (!open.delete(testStore)) return;
    await store.close();
    await administer(connection, `drop database ${database} with (force)`);
  };
  const testStore: TestStore = {
    db: store.db,
    pool: store.pool,
    connection: { ...connection, database },
    close,
    [Symbol.asyncDispose]: close,
  };
  open.add(testStore);
  return testStore;
}

/** One server for many test files, which find it by these variables of their environment. */
export async function startSharedServer(): Promise<
  AsyncDisposable & { readonly environment: Record<string, string> }
> {
  // Each file has a few platforms with pools of their own.
  const { postgres, directory } = await startEmbedded(false, { max_connections: "400" });
  const { host, user, password, database } = postgres.connection;
  const url = `postgres://${user}:${String(password)}@localhost/${database}?host=${encodeURIComponent(host ?? "")}`;
  const template = await makeTemplate(postgres.connection);
  return {
    environment: { CORRAL_TEST_DATABASE_URL: url, CORRAL_TEST_TEMPLATE: template },
    async [Symbol.asyncDispose]() {
      await postgres.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

async function makeTemplate(connection: PoolConfig): Promise<string> {
  const template = `template_${randomUUID().replaceAll("-", "")}`;
  await administer(connection, `create database ${template}`);
  const store = await openStore({ connection: { ...connection, database: template } });
  await store.close();
  return template;
}

async function startServer(durable: boolean): Promise<Server> {
  const external = durable ? undefined : process.env["CORRAL_TEST_DATABASE_URL"];
  const started = external === undefined ? await startEmbedded(durable) : null;
  const connection = started?.postgres.connection ?? configOf(external ?? "");
  const shared = external === undefined ? undefined : process.env["CORRAL_TEST_TEMPLATE"];
  const template = shared ?? (await makeTemplate(connection));
  return {
    connection,
    template,
    async stop() {
      if (shared !== undefined) return;
      if (started === null) return administer(connection, `drop database ${template} with (force)`);
      await started.postgres.stop();
      await rm(started.directory, { recursive: true, force: true });
    },
  };
}

async function startEmbedded(
  durable: boolean,
  more: Readonly<Record<string, string>> = {},
): Promise<{ postgres: EmbeddedPostgres; directory: string }> {
  const directory = await mkdtemp(join(tmpdir(), "corral-test-"));
  // What a test writes has to survive no power cut.
  const hasty = { fsync: "off", synchronous_commit: "off", full_page_writes: "off", shared_buffers: "32MB" };
  const settings = durable ? more : { ...hasty, ...more };
  return { postgres: await startPostgres({ dataDirectory: directory, settings }), directory };
}

function configOf(url: string): PoolConfig {
  const { host, port, user, password, database } = new pg.Client(url);
  return {
    host,
    port,
    ...(user === undefined ? {} : { user }),
    password: password ?? "",
    database: database ?? "postgres",
  };
}

async function administer(connection: PoolConfig, statement: string): Promise<void> {
  const client = new pg.Client(connection);
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}
