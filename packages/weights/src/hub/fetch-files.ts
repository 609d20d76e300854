// Files of a repository of any kind from the hub into the cache, named by patterns: for code that reads them itself.

import { ServingError } from "@corral/contract";
import {
  isInSnapshot,
  readReference,
  readTree,
  repositoryCache,
  snapshotDirectory,
  touchSnapshot,
  writeReference,
  type RepositoryCache,
} from "./cache-layout.ts";
import type { FetchedRepository } from "./cached-snapshot.ts";
import { begin, fetchSelection, resolveListing, type FetchOptions } from "./fetch.ts";
import { matchesPatterns, type FilePatterns } from "./file-patterns.ts";
import type { RepositoryFile } from "./listing.ts";
import { storageError } from "./storage.ts";

export interface HubFilesRequest extends FilePatterns {
  readonly repository: string;
  /** A branch, tag or commit; default `main`. */
  readonly revision?: string | null;
}

/**
 * Fetches files of a repository of any kind, all or those that patterns name, into the cache. Where the hub does not
 * answer, or with `HF_HUB_OFFLINE`, the cache is used if it has all. Fails as `fetchFromHub`, and with
 * `weights_missing` where the patterns name no file.
 */
export async function fetchFilesFromHub(
  request: HubFilesRequest,
  options: FetchOptions,
): Promise<Omit<FetchedRepository, "gguf">> {
  const { repository, revision, settings, connection } = await begin(request, options);
  const cache = repositoryCache(settings.cacheDirectory, repository);
  const chosen = (files: readonly RepositoryFile[]) =>
    files.filter(({ path }) => matchesPatterns(path, request));
  const cached = await readCachedFiles(cache, revision, chosen);
  if (settings.offline && cached === null) {
    throw new ServingError(
      "weights_missing",
      `HF_HUB_OFFLINE is set, and the cache ${cache.root} does not have what is asked for of ${repository} at ${revision}.`,
    );
  }
  if (settings.offline && cached !== null) return cached;
  let found: { commit: string; files: readonly RepositoryFile[] };
  try {
    const { retry } = connection;
    const patience = { ...retry, tries: cached === null ? retry.tries : Math.min(2, retry.tries) };
    found = await resolveListing(cache, repository, revision, { ...connection, retry: patience });
  } catch (error) {
    const isAway = error instanceof ServingError && error.code === "hub_unavailable";
    if (isAway && cached !== null) return cached;
    throw error;
  }
  const paths = chosen(found.files).map(({ path }) => path);
  if (paths.length === 0) {
    throw new ServingError(
      "weights_missing",
      `${repository} at ${revision} has no file that allow_patterns and ignore_patterns leave.`,
    );
  }
  try {
    await fetchSelection(
      { cache, connection, repository, ...found, options },
      { paths, gguf: null, index: null },
    );
    await writeReference(cache, revision, found.commit);
    return { directory: snapshotDirectory(cache, found.commit), commit: found.commit, files: paths };
  } catch (error) {
    throw storageError(error, settings.cacheDirectory);
  }
}

/** Null: the cache does not know which files there are, or lacks one. */
async function readCachedFiles(
  cache: RepositoryCache,
  revision: string,
  chosen: (files: readonly RepositoryFile[]) => readonly RepositoryFile[],
): Promise<Omit<FetchedRepository, "gguf"> | null> {
  const commit = await readReference(cache, revision);
  if (commit !== null) await touchSnapshot(cache, commit);
  const tree = commit === null ? null : await readTree(cache, commit);
  if (commit === null || tree === null) return null;
  const files = chosen(tree);
  for (const file of files) if (!(await isInSnapshot(cache, commit, file))) return null;
  if (files.length === 0) return null;
  return { directory: snapshotDirectory(cache, commit), commit, files: files.map(({ path }) => path) };
}
