// A model from the hub into the cache: only the files that are needed, at one commit, each checked.

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { ServingError } from "@corral/contract";
import {
  blobPath,
  isInSnapshot,
  linkIntoSnapshot,
  makeFolders,
  readTree,
  repositoryCache,
  sizeOf,
  snapshotDirectory,
  touchSnapshot,
  writeReference,
  writeTree,
  type RepositoryCache,
} from "./cache-layout.ts";
import { readCached, type FetchedRepository } from "./cached-snapshot.ts";
import { downloadBlob, partialPath } from "./download-blob.ts";
import { withHint } from "./hints.ts";
import {
  describeRevision,
  listCommit,
  type HubConnection,
  type RepositoryDescription,
  type RepositoryFile,
} from "./listing.ts";
import { checkRepositoryName, checkRevision, commitPattern } from "./names.ts";
import { partialBytes } from "./partial-file.ts";
import { progressTeller, type OnProgress, type ProgressTeller } from "./progress-teller.ts";
import { defaultRetryRule, type RetryRule } from "./retry.ts";
import { selectFiles, shardsOfIndex, withShards, type Selection } from "./select-files.ts";
import { readHubSettings, type Environment, type HubSettings } from "./settings.ts";
import { checkRoom, freeBytesBelow, storageError } from "./storage.ts";

export interface HubRequest {
  /** `owner/name`. */
  readonly repository: string;
  /** A branch, tag or commit; default `main`. */
  readonly revision?: string | null;
  /** Which GGUF file; default: the safetensors, else the only GGUF. */
  readonly file?: string | null;
}

export interface HubTuning {
  readonly retry?: RetryRule;
  /** Longest silence of a server. */
  readonly stallMs?: number;
  /** Ranges of one file that are fetched at once. */
  readonly connectionCount?: number;
  readonly segmentBytes?: number;
  /** Free bytes of the disk below a path. */
  readonly freeBytes?: (path: string) => Promise<number>;
}

export interface HubOptions {
  /** The variables that Python's huggingface_hub reads: `process.env`. */
  readonly environment: Environment;
  readonly signal?: AbortSignal;
  readonly tuning?: HubTuning;
}

export interface FetchOptions extends HubOptions {
  /** At most ten times a second, and once at the end. Bytes never fall. */
  readonly onProgress?: OnProgress;
  /** Milliseconds of any clock that does not go back. */
  readonly now?: () => number;
}

/**
 * Fetches what a model needs, or finds it in the cache. Revisions are resolved to a commit once; a commit that is whole
 * in the cache costs no request. Without the hub (`HF_HUB_OFFLINE`, or no answer) the cache is used if it has all.
 * Fails with `repository_not_found`, `repository_gated`, `hub_unavailable`, `download_corrupt`, `storage_full`,
 * `weights_missing`, `weights_unsupported`, `missing_parameter` or `invalid_parameter`, and with the signal's reason.
 */
export async function fetchFromHub(request: HubRequest, options: FetchOptions): Promise<FetchedRepository> {
  const { repository, revision, file, settings, connection } = await begin(request, options);
  const cache = repositoryCache(settings.cacheDirectory, repository);
  if (settings.offline) return readCached(cache, repository, revision, file);
  const cached = await readCached(cache, repository, revision, file).catch(() => null);
  let found: { commit: string; files: readonly RepositoryFile[] };
  try {
    // With something to fall back on, a hub that does not answer is not waited for.
    const { retry } = connection;
    const patience = { ...retry, tries: cached === null ? retry.tries : Math.min(2, retry.tries) };
    found = await resolveListing(cache, repository, revision, { ...connection, retry: patience });
  } catch (error) {
    const isAway = error instanceof ServingError && error.code === "hub_unavailable";
    if (isAway && cached !== null) return cached;
    throw error;
  }
  try {
    const work: Work = { cache, connection, repository, ...found, options };
    const selection = await selectWhole(work, file);
    await fetchSelection(work, selection);
    await writeReference(cache, revision, found.commit);
    const directory = snapshotDirectory(cache, found.commit);
    return { directory, commit: found.commit, files: selection.paths, gguf: selection.gguf };
  } catch (error) {
    throw storageError(error, settings.cacheDirectory);
  }
}

/** What the hub says of a repository, without a download. Fails as `fetchFromHub`; offline with `hub_unavailable`. */
export async function describeRepository(
  request: HubRequest,
  options: HubOptions,
): Promise<RepositoryDescription> {
  const { repository, revision, settings, connection } = await begin(request, options);
  if (settings.offline) {
    throw new ServingError(
      "hub_unavailable",
      `HF_HUB_OFFLINE is set, so ${repository} cannot be looked up on the hub.`,
    );
  }
  const description = await describeWithHint(repository, revision, connection);
  return { ...description, files: await listCommit(repository, description.commit, connection) };
}

/** The repository as the cache has it, whoever fetched it; null: not there, or not whole. Asks no hub. */
export async function findInHubCache(
  request: HubRequest,
  options: HubOptions,
): Promise<FetchedRepository | null> {
  const { repository, revision, file, settings } = await begin(request, options);
  const cache = repositoryCache(settings.cacheDirectory, repository);
  return readCached(cache, repository, revision, file).catch((error: unknown) => {
    if (error instanceof ServingError) return null;
    throw error;
  });
}

interface Begun {
  readonly repository: string;
  readonly revision: string;
  readonly file: string | null;
  readonly settings: HubSettings;
  readonly connection: HubConnection;
}

export async function begin(request: HubRequest, options: HubOptions): Promise<Begun> {
  const { repository, revision, file } = request;
  checkRepositoryName(repository);
  checkRevision(revision ?? "main");
  const settings = await readHubSettings(options.environment);
  const connection: HubConnection = {
    settings,
    signal: options.signal ?? new AbortController().signal,
    stallMs: options.tuning?.stallMs ?? 30_000,
    retry: options.tuning?.retry ?? defaultRetryRule,
  };
  return { repository, revision: revision ?? "main", file: file ?? null, settings, connection };
}

async function describeWithHint(
  repository: string,
  revision: string,
  connection: HubConnection,
): Promise<Omit<RepositoryDescription, "files">> {
  try {
    return await describeRevision(repository, revision, connection);
  } catch (error) {
    throw await withHint(error, repository, revision, connection);
  }
}

/** The commit, and its files: from the cache where they were listed before, since a commit never changes. */
export async function resolveListing(
  cache: RepositoryCache,
  repository: string,
  revision: string,
  connection: HubConnection,
): Promise<{ commit: string; files: readonly RepositoryFile[] }> {
  const commit = commitPattern.test(revision)
    ? revision
    : (await describeWithHint(repository, revision, connection)).commit;
  const known = await readTree(cache, commit);
  if (known !== null) return { commit, files: known };
  const files = await listCommit(repository, commit, connection);
  await writeTree(cache, commit, files);
  return { commit, files };
}

interface Work {
  readonly cache: RepositoryCache;
  readonly connection: HubConnection;
  readonly repository: string;
  readonly commit: string;
  readonly files: readonly RepositoryFile[];
  readonly options: FetchOptions;
}

/** An index of shards is fetched to learn which they are. */
async function selectWhole(work: Work, file: string | null): Promise<Selection> {
  const selection = selectFiles(work.repository, work.files, file);
  if (selection.index === null) return selection;
  const quiet = progressTeller(0, 0, work.options.now, undefined);
  await obtain(work, filesOf(work, [selection.index]), quiet);
  const path = join(snapshotDirectory(work.cache, work.commit), selection.index);
  const shards = shardsOfIndex(await readFile(path, "utf8"));
  if (shards === null) {
    throw new ServingError(
      "weights_unsupported",
      `${selection.index} of ${work.repository} is no index of shards.`,
    );
  }
  return withShards(work.repository, selection, work.files, shards);
}

function filesOf(work: Work, paths: readonly string[]): RepositoryFile[] {
  const byPath = new Map(work.files.map((file) => [file.path, file]));
  return paths.map((path) => byPath.get(path)).filter((file) => file !== undefined);
}

/** Afterwards the cache has the selection. */
export async function fetchSelection(work: Work, selection: Selection): Promise<void> {
  const files = filesOf(work, selection.paths);
  const { cache, commit, repository, options } = work;
  await touchSnapshot(cache, commit);
  const wanting: RepositoryFile[] = [];
  let presentBytes = 0;
  let partlyBytes = 0;
  for (const file of files) {
    if (await isInSnapshot(cache, commit, file)) presentBytes += file.sizeBytes;
    else wanting.push(file);
  }
  for (const file of wanting) {
    if ((await sizeOf(blobPath(cache, file))) === file.sizeBytes) partlyBytes += file.sizeBytes;
    else partlyBytes += await partialBytes(partialPath(cache, file));
  }
  const totalBytes = files.reduce((sum, file) => sum + file.sizeBytes, 0);
  const neededBytes = totalBytes - presentBytes - partlyBytes;
  const freeBytes = options.tuning?.freeBytes ?? freeBytesBelow;
  if (neededBytes > 0) checkRoom(neededBytes, await freeBytes(cache.root), repository, cache.root);
  const progress = progressTeller(totalBytes, presentBytes, options.now, options.onProgress);
  await obtain(work, wanting, progress);
  progress.end();
}

/** Afterwards the snapshot has the files. */
async function obtain(work: Work, files: readonly RepositoryFile[], progress: ProgressTeller): Promise<void> {
  const { cache, commit, connection, repository, options } = work;
  const { connectionCount = 8, segmentBytes } = options.tuning ?? {};
  for (const file of files) {
    connection.signal.throwIfAborted();
    if (await isInSnapshot(cache, commit, file)) continue;
    await makeFolders(cache);
    const remote = { repository, commit, file };
    const blobOptions = {
      cache,
      connection,
      connectionCount,
      ...(segmentBytes === undefined ? {} : { segmentBytes }),
      onProgress: progress.file,
    };
    await downloadBlob(remote, blobOptions);
    progress.fileEnd(file.sizeBytes);
    await linkIntoSnapshot(cache, commit, file);
    // Between the two a blob that no revision had yet may have been collected.
    if (await isInSnapshot(cache, commit, file)) continue;
    await downloadBlob(remote, blobOptions);
    await linkIntoSnapshot(cache, commit, file);
  }
}
