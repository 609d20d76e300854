// The cluster on disk: made once, whole or not at all, and checked at every start.

import { randomBytes } from "node:crypto";
import { chown, lstat, mkdir, open, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { ServingError } from "@corral/contract";
import { embeddedMajor, isCode, type Binaries } from "./binaries.ts";
import { run } from "./command.ts";
import { childCommand, childEnvironment } from "./child.ts";
import type { Identity } from "./identity.ts";
import type { Layout } from "./layout.ts";

export const userName = "corral";

/**
 * Makes the cluster where there is none. It is made beside its place and renamed into it, so an interrupted
 * initdb leaves nothing that a later start takes for a cluster. Answers the password.
 */
export async function prepareCluster(
  layout: Layout,
  binaries: Binaries,
  identity: Identity,
  { flush }: { readonly flush: boolean },
): Promise<string> {
  for (const name of await readdir(layout.root)) {
    if (name.startsWith("cluster.new-")) await rm(join(layout.root, name), { recursive: true, force: true });
  }
  const major = await readMajor(layout);
  if (major === null) await makeCluster(layout, binaries, identity, flush);
  else if (major !== String(embeddedMajor)) {
    throw new ServingError(
      "database_unavailable",
      `${layout.data} was made by PostgreSQL ${major}, and this Corral brings ${embeddedMajor}. Dump it with the Corral that made it and restore it here, or choose another CORRAL_HOME.`,
    );
  }
  return (await readFile(layout.password, "utf8")).trim();
}

/** PostgreSQL records the major version in its directory itself. */
async function readMajor({ cluster, data }: Layout): Promise<string | null> {
  try {
    return (await readFile(join(data, "PG_VERSION"), "utf8")).trim();
  } catch (error) {
    const absent = isCode(error, "ENOENT") && (await lstat(cluster).catch(() => null)) === null;
    if (absent) return null;
    const detail = `${cluster} is there but is not a database; move it away, or choose another CORRAL_HOME.`;
    throw new ServingError("database_unavailable", detail, { cause: error });
  }
}

async function makeCluster(
  layout: Layout,
  binaries: Binaries,
  identity: Identity,
  flush: boolean,
): Promise<void> {
  const fresh = join(layout.root, `cluster.new-${process.pid}`);
  const passwordFile = join(fresh, "password");
  await mkdir(fresh, { mode: 0o700 });
  await writeFile(passwordFile, `${randomBytes(24).toString("base64url")}\n`, { mode: 0o600, flush: true });
  await giveTo(layout.root, identity);
  const [program = "", ...args] = childCommand(identity, "KILL", [
    binaries.initdb,
    `--pgdata=${join(fresh, "data")}`,
    `--username=${userName}`,
    "--auth=scram-sha-256",
    `--pwfile=${passwordFile}`,
    "--encoding=UTF8",
    "--locale=C",
    "--no-instructions",
    ...(flush ? flushOnce : ["--no-sync"]),
  ]);
  const result = await run(program, args, {
    ...identity.user,
    // A later start looks for leftovers by their working directory.
    cwd: layout.root,
    env: childEnvironment(binaries),
  });
  if (result.code !== 0) {
    await rm(fresh, { recursive: true, force: true });
    const detail = `The database could not be made (initdb ended with ${result.code}): ${result.output}`;
    throw new ServingError("database_unavailable", detail);
  }
  await rename(fresh, layout.cluster);
  await flushDirectory(dirname(layout.cluster));
}

/** One flush of the file system instead of one of each of a thousand files. */
const flushOnce = process.platform === "linux" ? ["--sync-method=syncfs"] : [];

async function flushDirectory(path: string): Promise<void> {
  const directory = await open(path, "r");
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

/** PostgreSQL takes only a directory of its own user. Does nothing where that holds, which is nearly always. */
export async function giveTo(root: string, { owner }: Identity): Promise<void> {
  if (process.getuid?.() !== 0) return;
  const give = async (path: string): Promise<void> => {
    // What a killed start left behind may still be ending, and taking its files away.
    const stat = await lstat(path).catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT" && path !== root) return null;
      throw error;
    });
    if (stat === null) return;
    const others = stat.uid !== owner.uid;
    if (others) await chown(path, owner.uid, owner.gid);
    if (!stat.isDirectory() || stat.isSymbolicLink()) return;
    const unchanged = !others && path !== root;
    // A directory that is right already is right inside, but for the cluster that has just been begun.
    if (unchanged && !path.includes("cluster.new-")) return;
    for (const name of await namesIn(path)) await give(join(path, name));
  };
  await give(root);
}

/** None where it has just been taken away. */
async function namesIn(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}
