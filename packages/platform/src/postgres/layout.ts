// Where things lie in the directory that the launcher is given.
//
//   supervisor.lock        held by the one process that supervises (lock.ts)
//   cluster/data           PostgreSQL's own directory
//   cluster/password       of the user below, mode 600
//   cluster.new-…          a cluster being made; whole or thrown away
//   run/ or run-directory  the socket's directory, or its path where the first would be too long
//   libraries/, native/    only where npm's folder cannot be written or read

import { randomUUID } from "node:crypto";
import { chmod, lstat, mkdir, mkdtemp, readFile, realpath, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ServingError } from "@corral/contract";

export interface Layout {
  readonly root: string;
  readonly lock: string;
  readonly cluster: string;
  readonly data: string;
  readonly password: string;
  readonly pidFile: string;
  /** The socket's directory: mode 700, its path short enough for a socket. */
  readonly run: string;
  /** True where `run` lies outside of `root` and is removed at the end. */
  readonly runIsTemporary: boolean;
  readonly socketFiles: readonly string[];
  readonly libraries: string;
  readonly native: string;
}

/** A socket's path is limited to 107 bytes by the kernel, 103 on macOS. */
const longestSocketPath = 99;
const socketName = ".s.PGSQL.5432";

/** Makes the directory (mode 700) and settles where its socket lies. */
export async function prepareLayout(dataDirectory: string): Promise<Layout> {
  try {
    await mkdir(dataDirectory, { recursive: true, mode: 0o700 });
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new ServingError("database_unavailable", `The database directory cannot be made: ${reason}`, {
      cause,
    });
  }
  // One directory, one name: the lock and the search for leftovers compare paths.
  const root = await realpath(dataDirectory);
  const cluster = join(root, "cluster");
  const data = join(cluster, "data");
  return {
    root,
    lock: join(root, "supervisor.lock"),
    cluster,
    data,
    password: join(cluster, "password"),
    pidFile: join(data, "postmaster.pid"),
    ...runLayout(join(root, "run"), false),
    libraries: join(root, "libraries"),
    native: join(root, "native"),
  };
}

/** The layout with a socket directory that exists. Called with the lock held. */
export async function prepareRunDirectory(layout: Layout): Promise<Layout> {
  const ownRun = join(layout.root, "run");
  if (fits(ownRun)) {
    await mkdir(ownRun, { recursive: true, mode: 0o700 });
    await chmod(ownRun, 0o700);
    return { ...layout, ...runLayout(ownRun, false) };
  }
  const record = join(layout.root, "run-directory");
  const recorded = await readFile(record, "utf8").catch(() => "");
  if (recorded !== "" && (await isPrivate(recorded, layout.root))) {
    return { ...layout, ...runLayout(recorded, true) };
  }
  const parent = fits(join(tmpdir(), "corral-XXXXXX")) ? tmpdir() : "/tmp";
  // mkdtemp makes a new directory of mode 700: nobody can have prepared it.
  const made = await mkdtemp(join(parent, "corral-"));
  const partial = `${record}.new-${randomUUID()}`;
  await writeFile(partial, made, { mode: 0o600 });
  await rename(partial, record);
  return { ...layout, ...runLayout(made, true) };
}

export async function removeRunDirectory(layout: Layout): Promise<void> {
  if (!layout.runIsTemporary) return;
  await rm(layout.run, { recursive: true, force: true });
  await rm(join(layout.root, "run-directory"), { force: true });
}

function runLayout(
  run: string,
  runIsTemporary: boolean,
): Pick<Layout, "run" | "runIsTemporary" | "socketFiles"> {
  const socketFiles = [join(run, socketName), join(run, `${socketName}.lock`)];
  return { run, runIsTemporary, socketFiles };
}

function fits(directory: string): boolean {
  return Buffer.byteLength(join(directory, socketName)) <= longestSocketPath;
}

/** Others can neither look into it nor have put it there. */
async function isPrivate(directory: string, root: string): Promise<boolean> {
  const stat = await lstat(directory).catch(() => null);
  // The data directory is ours, or the user's whom the server runs as.
  const owners = [process.getuid?.(), (await lstat(root)).uid];
  return stat !== null && stat.isDirectory() && owners.includes(stat.uid) && (stat.mode & 0o077) === 0;
}
