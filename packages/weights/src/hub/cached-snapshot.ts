// What the cache alone can give: for offline work, for a hub that does not answer, and for those who only look.

import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { ServingError } from "@corral/contract";
import {
  readReference,
  readTree,
  sizeOf,
  snapshotDirectory,
  touchSnapshot,
  type RepositoryCache,
} from "./cache-layout.ts";
import { selectFiles, shardsOfIndex, withShards, type ListedFile, type Selection } from "./select-files.ts";

export interface FetchedRepository {
  /** The snapshot; holds `files`, and perhaps others. */
  readonly directory: string;
  readonly commit: string;
  /** Relative to `directory`: all that is needed. */
  readonly files: readonly string[];
  /** One of `files`, where the weights are GGUF: the first part of a split one. */
  readonly gguf: string | null;
}

/**
 * The repository out of the cache, all needed files present. Fails with `weights_missing`, naming what is not there, and
 * as `selectFiles`.
 */
export async function readCached(
  cache: RepositoryCache,
  repository: string,
  revision: string,
  file: string | null,
): Promise<FetchedRepository> {
  const commit = await readReference(cache, revision);
  if (commit === null) throw missing(cache, `${repository} at ${revision}`);
  const directory = snapshotDirectory(cache, commit);
  await touchSnapshot(cache, commit);
  const present = await listSnapshot(directory);
  if (present.length === 0) throw missing(cache, `${repository} at ${commit}`);
  // Without a list of the commit, what lies there is all that can be known of it.
  const tree = await readTree(cache, commit);
  const listing: readonly ListedFile[] = tree ?? present;
  const chosen = selectFiles(repository, listing, file);
  const here = new Map(present.map((entry) => [entry.path, entry.sizeBytes]));
  const selection = await withCachedShards(cache, repository, chosen, listing, directory, here);
  const sizes = new Map(listing.map((entry) => [entry.path, entry.sizeBytes]));
  const lost = selection.paths.filter((path) => here.get(path) !== sizes.get(path));
  if (tree === null && selection.gguf === null && !here.has("config.json")) lost.push("config.json");
  if (lost.length > 0) throw missing(cache, `${[...new Set(lost)].join(", ")} of ${repository} at ${commit}`);
  return { directory, commit, files: selection.paths, gguf: selection.gguf };
}

async function withCachedShards(
  cache: RepositoryCache,
  repository: string,
  selection: Selection,
  listing: readonly ListedFile[],
  directory: string,
  here: ReadonlyMap<string, number>,
): Promise<Selection> {
  if (selection.index === null || !here.has(selection.index)) return selection;
  const shards = shardsOfIndex(await readFile(join(directory, selection.index), "utf8")) ?? [];
  const lost = shards.filter((shard) => !here.has(shard));
  if (lost.length > 0) throw missing(cache, `${lost.join(", ")} of ${repository}`);
  return withShards(repository, selection, listing, shards);
}

/** Files of a snapshot, through links; links to nothing are not there. */
async function listSnapshot(directory: string): Promise<ListedFile[]> {
  const names = await readdir(directory, { recursive: true }).catch(() => []);
  const files: ListedFile[] = [];
  for (const path of names) {
    const sizeBytes = await sizeOf(join(directory, path));
    if (sizeBytes !== null) files.push({ path, sizeBytes });
  }
  return files;
}

function missing(cache: RepositoryCache, what: string): ServingError {
  return new ServingError(
    "weights_missing",
    `The cache ${cache.root} does not have ${what}. Fetch it once with the hub within reach (HF_HUB_OFFLINE unset), or point HF_HOME to a cache that has it.`,
  );
}
