import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import {
  chmod,
  chown,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rm,
  stat,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { createInterface } from "node:readline";
import { after, test, type TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { openStore } from "../store/store.ts";
import { withRetry } from "../store/retry.ts";
import { chooseIdentity } from "./identity.ts";
import { startPostgres, type EmbeddedPostgres, type StartPostgresOptions } from "./start-postgres.ts";

// Making a database takes a second and starting it little: tests that leave a good one behind share it.
const shared = await mkdtemp(join(tmpdir(), "corral-pg-"));
after(() => rm(shared, { recursive: true, force: true }));

const isRoot = process.getuid?.() === 0;
const isLinux = process.platform === "linux";

test("the first start makes a database with a password, later ones keep its rows and the password", async (t) => {
  const directory = shared;
  const first = await started(t, { dataDirectory: directory });
  await query(first, "create table kept (n int)");
  await query(first, "insert into kept values (7)");
  await first.stop();
  assert.deepEqual(await first.exited, { reason: "stopped" });
  const second = await started(t, { dataDirectory: directory });
  assert.deepEqual(await query(second, "select n from kept"), [{ n: 7 }]);
  assert.equal(second.connection.password, first.connection.password);
  assert.equal(second.connection.database, "corral");
  assert.equal((await stat(join(directory, "cluster/password"))).mode & 0o777, 0o600);
  assert.equal((await stat(directory)).mode & 0o777, 0o700);
});

test("only the socket and only the password lead in", async (t) => {
  const postgres = await started(t, { dataDirectory: shared });
  await assert.rejects(
    connectAndEnd({ ...postgres.connection, password: "wrong" }),
    /password authentication failed/,
  );
  assert.deepEqual(await query(postgres, "show listen_addresses"), [{ listen_addresses: "" }]);
  assert.equal((await stat(String(postgres.connection.host))).mode & 0o777, 0o700);
});

test("a directory has one supervisor; the second is told the first one's process", async (t) => {
  const directory = shared;
  await started(t, { dataDirectory: directory });
  await assert.rejects(startPostgres({ dataDirectory: directory }), (error: Error & { code: string }) => {
    assert.equal(error.code, "database_unavailable");
    assert.match(error.message, new RegExp(`in use by the process ${process.pid}\\b`));
    return true;
  });
});

test("a pid file that names somebody else's process is taken away and the process left alone", async (t) => {
  const directory = shared;
  const first = await started(t, { dataDirectory: directory });
  const data = join(directory, "cluster/data");
  const pidFile = await readFile(join(data, "postmaster.pid"), "utf8");
  await first.stop();
  const stranger = spawn("sleep", ["60"]);
  atEnd(t, () => stranger.kill("SIGKILL"));
  await writeFile(join(data, "postmaster.pid"), pidFile.replace(/^\d+/, String(stranger.pid)));
  await writeFile(join(directory, "run/.s.PGSQL.5432.lock"), `${stranger.pid}\n`);
  const second = await started(t, { dataDirectory: directory });
  assert.deepEqual(await query(second, "select 1 one"), [{ one: 1 }]);
  assert.equal(stranger.exitCode, null);
});

test("a killed postmaster is started again and no acknowledged write is lost", async (t) => {
  const postgres = await started(t, { dataDirectory: shared });
  const store = await openStore({ connection: postgres.connection });
  atEnd(t, () => store.close());
  await store.pool.query("create table written (n int primary key)");
  const acknowledged: number[] = [];
  let next = 1;
  let longestMs = 0;
  const until = performance.now() + 2_500;
  const writer = async () => {
    while (performance.now() < until) {
      const n = next++;
      const begun = performance.now();
      await withRetry(store.db, () =>
        store.pool.query("insert into written values ($1) on conflict do nothing", [n]),
      );
      longestMs = Math.max(longestMs, performance.now() - begun);
      acknowledged.push(n);
    }
  };
  const killer = async () => {
    for (let kill = 0; kill < 2; kill++) {
      await sleep(300);
      const victim = postgres.pid;
      if (victim !== null) process.kill(victim, "SIGKILL");
      while (postgres.pid === null || postgres.pid === victim) await sleep(10);
    }
  };
  await Promise.all([writer(), writer(), writer(), writer(), killer()]);
  const { rows } = await store.pool.query<{ n: number }>("select n from written");
  const present = new Set(rows.map((row) => row.n));
  assert.deepEqual(
    acknowledged.filter((n) => !present.has(n)),
    [],
  );
  assert.ok(acknowledged.length > 50, `only ${acknowledged.length} writes`);
  t.diagnostic(`${acknowledged.length} writes over 2 kills, longest ${Math.round(longestMs)} ms`);
});

test(
  "a supervisor that is killed takes the server along, and the next start has every acknowledged write",
  { skip: !isLinux && "needs /proc" },
  async (t) => {
    await killSupervisor(t, 2);
  },
);

test(
  "fifty killed supervisors lose nothing",
  { skip: process.env["CORRAL_LONG_TESTS"] !== "1" && "takes minutes; CORRAL_LONG_TESTS=1 runs it" },
  async (t) => {
    await killSupervisor(t, 50);
  },
);

test(
  "a supervisor killed while it makes the database leaves nothing that the next start trips over",
  { skip: !isLinux && "needs /proc" },
  async (t) => {
    const directory = await temporaryDirectory(t);
    for (const delayMs of [150, 300, 500]) {
      const supervisor = spawnSupervisor(t, directory);
      await sleep(delayMs);
      supervisor.kill("SIGKILL");
      await once(supervisor, "exit");
    }
    const postgres = await started(t, { dataDirectory: directory });
    assert.deepEqual(await query(postgres, "select 1 one"), [{ one: 1 }]);
    assert.deepEqual(
      (await readdir(directory)).filter((name) => name.includes("new")),
      [],
    );
  },
);

test("a path too long for a socket gets a short directory of its own, which is removed at the end", async (t) => {
  const directory = join(await temporaryDirectory(t), "long".repeat(30));
  const postgres = await started(t, { dataDirectory: directory });
  const socketDirectory = String(postgres.connection.host);
  assert.ok(socketDirectory.length < 80 && !socketDirectory.startsWith(directory));
  assert.equal((await stat(socketDirectory)).mode & 0o777, 0o700);
  assert.equal(await readFile(join(directory, "run-directory"), "utf8"), socketDirectory);
  assert.deepEqual(await query(postgres, "select 1 one"), [{ one: 1 }]);
  await postgres.stop();
  await assert.rejects(stat(socketDirectory), { code: "ENOENT" });
});

test("a database of another major version is refused and left as it is", async (t) => {
  const directory = await temporaryDirectory(t);
  await mkdir(join(directory, "cluster/data"), { recursive: true });
  await writeFile(join(directory, "cluster/data/PG_VERSION"), "17\n");
  await writeFile(join(directory, "cluster/password"), "x");
  await assert.rejects(
    startPostgres({ dataDirectory: directory }),
    /PostgreSQL 17, and this Corral brings 18/,
  );
  assert.equal(await readFile(join(directory, "cluster/data/PG_VERSION"), "utf8"), "17\n");
});

test("something else in the cluster's place is refused, not replaced", async (t) => {
  const directory = await temporaryDirectory(t);
  await mkdir(join(directory, "cluster"));
  await writeFile(join(directory, "cluster/notes.txt"), "mine");
  await assert.rejects(startPostgres({ dataDirectory: directory }), /is not a database; move it away/);
  assert.equal(await readFile(join(directory, "cluster/notes.txt"), "utf8"), "mine");
});

test("stopping while the server is being started again ends both", async (t) => {
  const directory = shared;
  const postgres = await started(t, { dataDirectory: directory });
  if (postgres.pid !== null) process.kill(postgres.pid, "SIGKILL");
  await sleep(60);
  await postgres.stop();
  assert.deepEqual(await postgres.exited, { reason: "stopped" });
  assert.deepEqual(await serversIn(directory), []);
});

test(
  "root without user namespaces runs the server as another user, with a copy of the binaries if need be",
  { skip: !isRoot && "needs root" },
  async (t) => {
    const directory = shared;
    const identity = await chooseIdentity("other_user");
    const postgres = await started(t, { dataDirectory: directory, identity: "other_user" });
    assert.deepEqual(await query(postgres, "select 1 one"), [{ one: 1 }]);
    assert.equal((await stat(join(directory, "cluster/data"))).uid, identity.owner.uid);
    await postgres.stop();
    // And back: files change hands with the way that is possible now.
    const again = await started(t, { dataDirectory: directory });
    assert.deepEqual(await query(again, "select 1 one"), [{ one: 1 }]);
  },
);

test(
  "a directory that the server's user cannot reach is named with a remedy",
  { skip: !isRoot && "needs root" },
  async (t) => {
    const parent = await temporaryDirectory(t);
    await chmod(parent, 0o700);
    const dataDirectory = join(parent, "inner");
    await assert.rejects(startPostgres({ dataDirectory, identity: "other_user" }), /cannot reach .*inner/);
  },
);

test("an ordinary user starts it directly", { skip: !isRoot && "needs root" }, async (t) => {
  const directory = await temporaryDirectory(t);
  const fixture = join(import.meta.dirname, "supervisor.fixture.ts");
  await chown(directory, 65_534, 65_534);
  const child = spawn(process.execPath, [fixture, directory, "1"], {
    uid: 65_534,
    gid: 65_534,
    stdio: ["ignore", "pipe", "inherit"],
  });
  atEnd(t, () => child.kill("SIGKILL"));
  const pid = await readyPid(child);
  assert.equal((await stat(`/proc/${pid}`)).uid, 65_534);
  child.kill("SIGKILL");
  await noServerIn(directory);
});

async function killSupervisor(t: TestContext, roundCount: number): Promise<void> {
  const directory = await temporaryDirectory(t);
  const acknowledged = new Set<number>();
  for (let round = 0; round < roundCount; round++) {
    const supervisor = spawnSupervisor(t, directory);
    const lines = createInterface({ input: supervisor.stdout ?? assert.fail() });
    lines.on("line", (line) => {
      if (line.startsWith("ack ")) acknowledged.add(Number(line.slice(4)));
    });
    const enough = acknowledged.size + 50;
    while (acknowledged.size < enough && supervisor.exitCode === null) await sleep(5);
    supervisor.kill("SIGKILL");
    await once(supervisor, "close");
  }
  await noServerIn(directory);
  const postgres = await started(t, { dataDirectory: directory });
  const rows = (await query(postgres, "select n::int from written")) as { n: number }[];
  const present = new Set(rows.map((row) => row.n));
  assert.deepEqual(
    [...acknowledged].filter((n) => !present.has(n)),
    [],
  );
  t.diagnostic(`${acknowledged.size} acknowledged writes over ${roundCount} killed supervisors`);
}

function spawnSupervisor(t: TestContext, directory: string): ChildProcess {
  const fixture = join(import.meta.dirname, "supervisor.fixture.ts");
  const child = spawn(process.execPath, [fixture, directory], { stdio: ["ignore", "pipe", "inherit"] });
  atEnd(t, () => child.kill("SIGKILL"));
  return child;
}

async function readyPid(child: ChildProcess): Promise<number> {
  for await (const line of createInterface({ input: child.stdout ?? assert.fail() })) {
    if (line.startsWith("ready ")) return Number(line.slice(6));
  }
  throw new Error("The supervisor ended before it was ready.");
}

/** Fast shutdown begins when the supervisor dies; it takes a moment. */
async function noServerIn(directory: string): Promise<void> {
  const giveUpAt = performance.now() + 10_000;
  while ((await serversIn(directory)).length > 0) {
    assert.ok(performance.now() < giveUpAt, "PostgreSQL outlived its supervisor");
    await sleep(20);
  }
}

async function serversIn(directory: string): Promise<number[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const found: number[] = [];
  for (const pid of pids) {
    const cwd = await readlink(`/proc/${pid}/cwd`).catch(() => "");
    const program = await readlink(`/proc/${pid}/exe`).catch(() => "");
    if (cwd.startsWith(directory) && ["postgres", "initdb"].includes(basename(program)))
      found.push(Number(pid));
  }
  return found;
}

/** Nothing in these tests cuts the power, so nothing has to be flushed. */
const fast = { fsync: "off" };

async function started(t: TestContext, options: StartPostgresOptions): Promise<EmbeddedPostgres> {
  const postgres = await startPostgres({ settings: fast, ...options });
  atEnd(t, () => postgres.stop());
  return postgres;
}

async function temporaryDirectory(t: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "corral-pg-"));
  atEnd(t, () => rm(directory, { recursive: true, force: true }));
  return directory;
}

const atEnds = new WeakMap<TestContext, (() => unknown)[]>();

/** Hooks of `node:test` run in the order they were given; what was begun last has to end first. */
function atEnd(t: TestContext, end: () => unknown): void {
  const ends = atEnds.get(t) ?? [];
  if (ends.length === 0) {
    t.after(async () => {
      for (const last of ends.toReversed()) await last();
    });
  }
  ends.push(end);
  atEnds.set(t, ends);
}

async function connectAndEnd(connection: pg.ClientConfig): Promise<void> {
  const client = new pg.Client(connection);
  try {
    await client.connect();
  } finally {
    await client.end();
  }
}

async function query({ connection }: EmbeddedPostgres, text: string): Promise<unknown[]> {
  const client = new pg.Client(connection);
  await client.connect();
  try {
    return (await client.query(text)).rows as unknown[];
  } finally {
    await client.end();
  }
}
