// What of a repository lies in the cache, and how it is taken away again while others fetch: revisions are links to blobs, so
// a revision goes first, and a blob once no revision has it.

import { lstat, readdir, readFile, readlink, rename, rm, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { locksDirectory, repositoryCache, snapshotDirectory, type RepositoryCache } from "./cache-layout.ts";
import { acquireLock } from "./lock.ts";
import { putBack } from "./put-back.ts";

export interface CachedRevision {
  readonly commit: string;
  /** Names of files among the blobs. */
  readonly blobs: readonly string[];
  /** Of files that are no links. */
  readonly bytes: number;
  /** Milliseconds since the epoch: when it was fetched, or a file of it read. */
  readonly lastUsedMs: number;
}

export interface CachedBlob {
  /** A digest; with a suffix where it is not whole. */
  readonly name: string;
  readonly bytes: number;
  readonly lastUsedMs: number;
}

export interface CachedContents {
  readonly revisions: readonly CachedRevision[];
  readonly blobs: readonly CachedBlob[];
}

const removing = ".removing";
/** How long a blob's lock is waited for: whoever has it fetches the blob. */
const lockPollMs = 50;

/** Empty where the cache has nothing of it. */
export async function readCachedContents(
  cacheDirectory: string,
  repository: string,
): Promise<CachedContents> {
  const cache = repositoryCache(cacheDirectory, repository);
  const blobs: CachedBlob[] = [];
  for (const name of await namesIn(join(cache.directory, "blobs"))) {
    const found = await stat(join(cache.directory, "blobs", name)).catch(() => null);
    if (found?.isFile() !== true) continue;
    blobs.push({ name, bytes: found.size, lastUsedMs: Math.max(found.mtimeMs, found.atimeMs) });
  }
  const revisions: CachedRevision[] = [];
  for (const commit of await namesIn(join(cache.directory, "snapshots"))) {
    const found = await readRevision(cache, commit);
    if (found !== null) revisions.push({ commit, ...found });
  }
  return { revisions, blobs };
}

async function readRevision(
  cache: RepositoryCache,
  commit: string,
): Promise<Omit<CachedRevision, "commit"> | null> {
  const directory = snapshotDirectory(cache, commit);
  const own = await stat(directory).catch(() => null);
  if (own === null) return null;
  const blobs = new Set<string>();
  let bytes = 0;
  let lastUsedMs = own.mtimeMs;
  for (const path of await readdir(directory, { recursive: true }).catch(() => [])) {
    const file = await lstat(join(directory, path)).catch(() => null);
    if (file === null || file.isDirectory()) continue;
    lastUsedMs = Math.max(lastUsedMs, file.mtimeMs);
    if (!file.isSymbolicLink()) {
      bytes += file.size;
      lastUsedMs = Math.max(lastUsedMs, file.atimeMs);
      continue;
    }
    const target = await readlink(join(directory, path)).catch(() => "");
    blobs.add(basename(target));
    const blob = await stat(join(directory, path)).catch(() => null);
    if (blob !== null) lastUsedMs = Math.max(lastUsedMs, blob.mtimeMs, blob.atimeMs);
  }
  return { blobs: [...blobs], bytes, lastUsedMs };
}

/**
 * Takes a revision out of the cache, with what says where it is. False where it is not there, or was used at `usedSinceMs` or
 * later: whoever fetches a revision touches it first, and finds it whole or not at all.
 */
export async function removeCachedRevision(
  cacheDirectory: string,
  repository: string,
  commit: string,
  usedSinceMs: number,
): Promise<boolean> {
  const cache = repositoryCache(cacheDirectory, repository);
  const directory = snapshotDirectory(cache, commit);
  const aside = `${directory}${removing}`;
  await rm(aside, { recursive: true, force: true });
  const moved = await rename(directory, aside).then(
    () => true,
    () => false,
  );
  if (!moved) return false;
  const { lastUsedMs } = (await readRevision(cache, `${commit}${removing}`)) ?? { lastUsedMs: 0 };
  if (lastUsedMs >= usedSinceMs) {
    await putBack(aside, directory);
    return false;
  }
  await rm(aside, { recursive: true, force: true });
  await rm(join(cache.directory, "trees", `${commit}.json`), { force: true });
  const references = join(cache.directory, "refs");
  for (const path of await readdir(references, { recursive: true }).catch(() => [])) {
    const text = await readFile(join(references, path), "utf8").catch(() => "");
    if (text.trim() === commit) await rm(join(references, path), { force: true });
  }
  return true;
}

/**
 * Removes a blob that no revision has. False where one has it, where it was used at `usedSinceMs` or later, or where somebody
 * fetches it.
 */
export async function removeCachedBlob(
  cacheDirectory: string,
  repository: string,
  name: string,
  usedSinceMs: number,
): Promise<boolean> {
  const cache = repositoryCache(cacheDirectory, repository);
  const path = join(cache.directory, "blobs", name);
  const [digest = name] = name.split(".");
  const lock = await acquireLock(join(locksDirectory(cache), `${digest}.corral.lock`), {
    signal: new AbortController().signal,
    pollMs: lockPollMs,
    whileWaiting: async () => true,
  }).catch(() => null);
  if (lock === null) return false;
  try {
    const found = await stat(path).catch(() => null);
    if (found === null || Math.max(found.mtimeMs, found.atimeMs) >= usedSinceMs) return false;
    for (const commit of await namesIn(join(cache.directory, "snapshots"))) {
      const revision = await readRevision(cache, commit);
      if (revision?.blobs.includes(name) === true) return false;
    }
    await rm(path, { force: true });
    return true;
  } finally {
    await lock.release();
  }
}

async function namesIn(directory: string): Promise<string[]> {
  return await readdir(directory).catch(() => []);
}
