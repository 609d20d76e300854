// The cache on disk, as Python's huggingface_hub lays it out, so that each finds what the other fetched:
//   models--owner--name/blobs/<digest>             the bytes of a file
//   models--owner--name/snapshots/<commit>/<path>  a relative link to its blob
//   models--owner--name/refs/<branch or tag>       the commit that it stood for
//   models--owner--name/trees/<commit>.json        all files of a commit
//   .locks/models--owner--name/                    who fetches what
// Source: huggingface_hub 2.4.0, file_download.py and _tree_cache.py.

import { randomBytes } from "node:crypto";
import { constants } from "node:fs";
import {
  access,
  copyFile,
  link,
  mkdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { isDigest, isSize, type RepositoryFile } from "./listing.ts";
import { commitPattern, isRelativePath } from "./names.ts";

export interface RepositoryCache {
  readonly root: string;
  /** `models--owner--name`. */
  readonly folder: string;
  readonly directory: string;
}

export function repositoryCache(cacheDirectory: string, repository: string): RepositoryCache {
  const folder = ["models", ...repository.split("/")].join("--");
  return { root: cacheDirectory, folder, directory: join(cacheDirectory, folder) };
}

export const snapshotDirectory = (cache: RepositoryCache, commit: string): string =>
  join(cache.directory, "snapshots", commit);

export const blobPath = (cache: RepositoryCache, file: RepositoryFile): string =>
  join(cache.directory, "blobs", file.digest.hex);

export const locksDirectory = (cache: RepositoryCache): string => join(cache.root, ".locks", cache.folder);

/** The commit that the revision stood for when it was last asked of the hub; null: it never was. */
export async function readReference(cache: RepositoryCache, revision: string): Promise<string | null> {
  if (commitPattern.test(revision)) return revision;
  const text = await readFile(join(cache.directory, "refs", revision), "utf8").catch(() => "");
  return commitPattern.test(text.trim()) ? text.trim() : null;
}

/** Written only where it changes; a cache that cannot be written keeps its old one. */
export async function writeReference(
  cache: RepositoryCache,
  revision: string,
  commit: string,
): Promise<void> {
  if (revision === commit || (await readReference(cache, revision)) === commit) return;
  const path = join(cache.directory, "refs", revision);
  await writeWhole(cache, path, commit).catch(() => undefined);
}

/** The files of a commit as either library listed them before; null: nobody did, or the list cannot be read. */
export async function readTree(cache: RepositoryCache, commit: string): Promise<RepositoryFile[] | null> {
  let tree: unknown;
  try {
    tree = JSON.parse(await readFile(treePath(cache, commit), "utf8"));
  } catch {
    return null;
  }
  if (!isRecord(tree) || tree["format_version"] !== 1 || !isRecord(tree["files"])) return null;
  const files = Object.entries(tree["files"]).map(([path, entry]) => toFile(path, entry));
  return files.every((file) => file !== null) ? files : null;
}

export async function writeTree(
  cache: RepositoryCache,
  commit: string,
  files: readonly RepositoryFile[],
): Promise<void> {
  const sorted = files.toSorted((left, right) => (left.path < right.path ? -1 : 1));
  const entries = sorted.map((file) => [file.path, toEntry(file)] as const);
  const text = JSON.stringify({ format_version: 1, files: Object.fromEntries(entries) }, null, 1);
  await writeWhole(cache, treePath(cache, commit), text).catch(() => undefined);
}

const treePath = (cache: RepositoryCache, commit: string): string =>
  join(cache.directory, "trees", `${commit}.json`);

function toEntry(file: RepositoryFile): Record<string, unknown> {
  return {
    size: file.sizeBytes,
    blob_id: file.gitOid,
    ...(file.digest.kind === "sha256" ? { lfs_sha256: file.digest.hex, lfs_size: file.sizeBytes } : {}),
    ...(file.xetHash === undefined ? {} : { xet_hash: file.xetHash }),
  };
}

function toFile(path: string, entry: unknown): RepositoryFile | null {
  if (!isRecord(entry)) return null;
  const { lfs_sha256: sha256, lfs_size: lfsSize, size, blob_id: gitOid, xet_hash: xetHash } = entry;
  const sizeBytes = sha256 === undefined ? size : lfsSize;
  const digest =
    sha256 === undefined
      ? { kind: "git-sha1" as const, hex: gitOid as string }
      : { kind: "sha256" as const, hex: sha256 as string };
  if (!isRelativePath(path) || !isSize(sizeBytes) || !isDigest(digest) || typeof gitOid !== "string")
    return null;
  return { path, sizeBytes, digest, gitOid, ...(typeof xetHash === "string" ? { xetHash } : {}) };
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** True where the snapshot has the file with all its bytes. */
export async function isInSnapshot(
  cache: RepositoryCache,
  commit: string,
  file: RepositoryFile,
): Promise<boolean> {
  return (await sizeOf(join(snapshotDirectory(cache, commit), file.path))) === file.sizeBytes;
}

/** Bytes of what stands at the path, through links; null: nothing that could be read. */
export async function sizeOf(path: string): Promise<number | null> {
  const found = await stat(path).catch(() => null);
  return found?.isFile() === true ? found.size : null;
}

/** To be called before a snapshot is looked at: what was touched is not collected. One that cannot be touched is not there. */
export async function touchSnapshot(cache: RepositoryCache, commit: string): Promise<void> {
  const now = new Date();
  await utimes(snapshotDirectory(cache, commit), now, now).catch(() => undefined);
}

/**
 * Puts the blob into the snapshot: a relative link, or where the file system has none a second name or a copy. What
 * stood there is replaced at once.
 */
export async function linkIntoSnapshot(
  cache: RepositoryCache,
  commit: string,
  file: RepositoryFile,
): Promise<void> {
  const path = join(snapshotDirectory(cache, commit), file.path);
  const blob = blobPath(cache, file);
  await mkdir(dirname(path), { recursive: true });
  const temporary = await temporaryName(cache);
  try {
    await symlink(relative(dirname(path), blob), temporary).catch(async () => {
      await link(blob, temporary).catch(() => copyFile(blob, temporary, constants.COPYFILE_FICLONE));
    });
    await rename(temporary, path);
  } finally {
    await rm(temporary, { force: true });
  }
}

/** A reader sees the old text or the new one. */
async function writeWhole(cache: RepositoryCache, path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const temporary = await temporaryName(cache);
  try {
    await writeFile(temporary, text);
    await rename(temporary, path);
  } finally {
    await rm(temporary, { force: true });
  }
}

/** Among the locks: what a killed process leaves there is never taken for a file of the repository. */
async function temporaryName(cache: RepositoryCache): Promise<string> {
  await mkdir(locksDirectory(cache), { recursive: true });
  return join(locksDirectory(cache), `${randomBytes(6).toString("hex")}.tmp`);
}

/** The folders that a download needs. Fails where the cache cannot be written. */
export async function makeFolders(cache: RepositoryCache): Promise<void> {
  for (const path of [
    join(cache.directory, "blobs"),
    join(cache.directory, "snapshots"),
    locksDirectory(cache),
  ]) {
    await mkdir(path, { recursive: true });
    await access(path, constants.W_OK);
  }
}
