// The embedded PostgreSQL: the real server from npm, on a unix socket, supervised. It is started again when it is
// killed, ends when this process does, and has one supervisor. Knows nothing of what is stored in it.

import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import type { PoolConfig } from "pg";
import { copyBinaries, findBinaries, type Binaries } from "./binaries.ts";
import { giveTo, prepareCluster, userName } from "./cluster.ts";
import { canReach, chooseIdentity, type Identity, type IdentityKind } from "./identity.ts";
import { prepareLayout, prepareRunDirectory, removeRunDirectory, type Layout } from "./layout.ts";
import { clearLeftovers, signalProcess } from "./leftovers.ts";
import { takeLock } from "./lock.ts";
import { startPostmaster, type Postmaster } from "./postmaster.ts";
import { ServingError } from "@corral/contract";

export interface EmbeddedPostgres {
  /** Socket directory, user, password and the database "corral". */
  readonly connection: PoolConfig;
  /** Settles once, when the server is gone for good. */
  readonly exited: Promise<PostgresExit>;
  /** Of the server that runs now; null while it is being started again. */
  readonly pid: number | null;
  /** Ends the server in order (at most 20 s, then by force) and gives the directory free. */
  stop(): Promise<void>;
}

export type PostgresExit =
  | { readonly reason: "stopped" }
  /** It could not be started again. */
  | { readonly reason: "failed"; readonly detail: string };

export interface StartPostgresOptions {
  /** Ours alone; made with mode 700 if it is not there. */
  readonly dataDirectory: string;
  readonly onLog?: (line: string) => void;
  /** Further server settings, and the one way to choose a user: for tests. */
  readonly settings?: Readonly<Record<string, string>>;
  readonly identity?: IdentityKind;
}

const databaseName = "corral";
/** Starts in a row that may fail before the server is given up: about a minute. */
const mostFailures = 20;
const longestPauseMs = 5_000;

/** Resolves when the database answers. Fails with `database_unavailable` and a text for the operator. */
export async function startPostgres(options: StartPostgresOptions): Promise<EmbeddedPostgres> {
  const { onLog = () => {}, settings = {} } = options;
  const prepared = await prepareLayout(options.dataDirectory);
  const lock = await takeLock(prepared.lock);
  let layout = prepared;
  let current: Postmaster | null = null;
  try {
    const identity = await chooseIdentity(options.identity);
    layout = await prepareRunDirectory(prepared);
    await giveTo(layout.root, identity);
    if (layout.runIsTemporary) await giveTo(layout.run, identity);
    await clearLeftovers(layout, onLog);
    const binaries = await reachableBinaries(layout, identity);
    const password = await prepareCluster(layout, binaries, identity, { flush: settings["fsync"] !== "off" });
    const connection = { host: layout.run, user: userName, password, database: databaseName };
    const start = () => startPostmaster({ layout, binaries, identity, settings, onLog });
    current = start();
    await current.ready;
    await createDatabase(connection);
    return supervise({ current, start, layout, connection, onLog, release: () => lock.release() });
  } catch (error) {
    await current?.stop();
    await removeRunDirectory(layout);
    lock.release();
    throw error;
  }
}

async function reachableBinaries(layout: Layout, identity: Identity): Promise<Binaries> {
  const binaries = await findBinaries(layout.libraries);
  if (await canReach(identity, layout.root)) {
    if (await canReach(identity, binaries.postgres)) return binaries;
    return copyBinaries(binaries, layout.native);
  }
  throw new ServingError(
    "database_unavailable",
    `PostgreSQL has to run as the user ${identity.owner.uid}, who cannot reach ${layout.root}. Let others pass its parent directories (chmod o+x), choose another CORRAL_HOME, or set DATABASE_URL.`,
  );
}

async function createDatabase(connection: PoolConfig): Promise<void> {
  const client = new pg.Client({ ...connection, database: "postgres" });
  await client.connect();
  try {
    const { rowCount } = await client.query("select from pg_database where datname = $1", [databaseName]);
    if (rowCount === 0) await client.query(`create database ${databaseName}`);
  } finally {
    await client.end();
  }
}

interface Supervised {
  current: Postmaster;
  readonly start: () => Postmaster;
  readonly layout: Layout;
  readonly connection: PoolConfig;
  readonly onLog: (line: string) => void;
  readonly release: () => void;
}

function supervise(supervised: Supervised): EmbeddedPostgres {
  const { start, layout, connection, onLog, release } = supervised;
  let current: Postmaster | null = supervised.current;
  let isReady = true;
  const stopping = new AbortController();
  const pause = (attempt: number) => {
    const pauseMs = attempt === 0 ? 0 : Math.min(longestPauseMs, 50 * 2 ** attempt);
    return sleep(pauseMs, undefined, { signal: stopping.signal }).catch(() => {});
  };

  /** Resolves when the server runs again, or with the text of the last failure. */
  const startAgain = async (): Promise<string | null> => {
    let failure = "";
    for (let attempt = 0; attempt < mostFailures; attempt++) {
      await pause(attempt);
      if (stopping.signal.aborted) return null;
      try {
        // Backends outlive a killed postmaster by a moment; two servers must never meet in one directory.
        await clearLeftovers(layout, onLog);
        if (stopping.signal.aborted) return null;
        current = start();
        await current.ready;
        isReady = true;
        return null;
      } catch (error) {
        failure = error instanceof Error ? error.message : String(error);
        onLog(`postgres: ${failure}`);
      }
    }
    return failure;
  };

  const live = async (): Promise<PostgresExit> => {
    for (;;) {
      const how = await current?.exited;
      isReady = false;
      if (stopping.signal.aborted) return { reason: "stopped" };
      onLog(`postgres: the server ended unasked (${how}); starting it again`);
      const failure = await startAgain();
      if (failure !== null) return { reason: "failed", detail: failure };
    }
  };

  // Where the kernel does not end children with their parent, this does for every end but SIGKILL.
  const endWithUs = () => {
    if (current !== null) signalProcess(current.pid, "SIGINT");
  };
  process.on("exit", endWithUs);
  const liveAndClear = async () => {
    const exit = await live();
    process.off("exit", endWithUs);
    await clearLeftovers(layout, onLog).catch((error: unknown) => onLog(`postgres: ${String(error)}`));
    await removeRunDirectory(layout);
    release();
    return exit;
  };
  const exited = liveAndClear();

  return {
    connection,
    exited,
    get pid() {
      return isReady ? (current?.pid ?? null) : null;
    },
    async stop() {
      stopping.abort();
      await current?.stop();
      await exited;
    },
  };
}
