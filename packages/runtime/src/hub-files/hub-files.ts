// Repositories of a Hugging Face hub that a config names for its code (`model_cache`, `weights`), fetched into the
// operator's cache and placed where the code looks for them: in a cache of its own, or at a path.

import { ServingError, type HubFiles } from "@corral/contract";
import { fetchFilesFromHub, type HubTuning } from "@corral/weights";
import { mkdir, rename, rm, stat, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { placeSameFile } from "./same-file.ts";

export interface PlaceHubFilesOptions {
  /** Says where the hub and the operator's cache are, and who asks. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** By name: a token of the author's comes before the operator's. */
  readonly secrets: Readonly<Record<string, string>>;
  /** Of this version alone; kept. The code can read what is in it. */
  readonly directory: string;
  /** The code's home, in which Python's libraries have their cache. */
  readonly codeHome: string;
  readonly signal: AbortSignal;
  /** One line for people who wait. */
  readonly onProgress: (line: string) => void;
  readonly tuning?: HubTuning;
}

/** A directory that the code is to see at an absolute path. */
export interface Mount {
  readonly directory: string;
  readonly place: string;
}

const tellEveryMs = 5_000;

/**
 * Fetched files are checked by the hub's own digests. Gives what is still to be mounted. Fails as `fetchFilesFromHub`,
 * the field's name in the message.
 */
export async function placeHubFiles(
  wanted: readonly HubFiles[],
  options: PlaceHubFilesOptions,
): Promise<readonly Mount[]> {
  const mounts: Mount[] = [];
  const named = new Set<string>();
  for (const files of wanted) {
    const { commit, paths, directory } = await fetchOne(files, options);
    if (files.place !== null) {
      mounts.push({ directory, place: files.place });
      continue;
    }
    const { repository, revision } = files;
    const cache = join(
      options.codeHome,
      ".cache/huggingface/hub",
      ["models", ...repository.split("/")].join("--"),
    );
    await linkFiles(paths, directory, join(cache, "snapshots", commit));
    // Code that names no revision asks for main, whatever the config names; the first entry answers it.
    for (const reference of [revision ?? "main", ...(named.has(repository) ? [] : ["main"])])
      await writeReference(join(cache, "refs", reference), commit);
    named.add(repository);
  }
  return mounts;
}

async function fetchOne(
  files: HubFiles,
  options: PlaceHubFilesOptions,
): Promise<{ readonly commit: string; readonly paths: readonly string[]; readonly directory: string }> {
  const { repository, revision, field } = files;
  const { onProgress, signal, tuning } = options;
  onProgress(`Fetching ${repository}${revision === null ? "" : ` at ${revision}`} for ${field}`);
  let toldMs = performance.now();
  const request = {
    repository,
    revision,
    ...(files.allow_patterns === undefined ? {} : { allow: files.allow_patterns }),
    ...(files.ignore_patterns === undefined ? {} : { ignore: files.ignore_patterns }),
  };
  try {
    const fetched = await fetchFilesFromHub(request, {
      environment: { ...options.environment, ...tokenOf(files, options) },
      signal,
      ...(tuning === undefined ? {} : { tuning }),
      onProgress: (doneBytes, totalBytes) => {
        if (performance.now() - toldMs < tellEveryMs) return;
        toldMs = performance.now();
        onProgress(`Fetching ${repository}: ${mebibytes(doneBytes)} of ${mebibytes(totalBytes)} MiB`);
      },
    });
    const directory = join(
      options.directory,
      `${repository.replaceAll("/", "--")}-${fetched.commit}-${field}`,
    );
    await keepFiles(fetched.files, fetched.directory, directory);
    return { commit: fetched.commit, paths: fetched.files, directory };
  } catch (error) {
    if (!(error instanceof ServingError) || signal.aborted) throw error;
    throw new ServingError(error.code, `${field} of config.yaml: ${error.message}`, { cause: error });
  }
}

/** Placeholders, such as those of examples, are no tokens: then the operator's counts. */
function tokenOf(
  { secret }: HubFiles,
  { secrets, onProgress }: PlaceHubFilesOptions,
): Record<string, string> {
  const value = secrets[secret]?.trim() ?? "";
  if (value === "") return {};
  if (value.startsWith("hf_")) return { HF_TOKEN: value };
  onProgress(`The secret ${secret} holds no token of the hub (those begin with hf_) and is not sent.`);
  return {};
}

/** The snapshot as plain files; whole, or not there. */
async function keepFiles(paths: readonly string[], from: string, to: string): Promise<void> {
  if ((await stat(to).catch(() => null)) !== null) return;
  const making = `${to}.making-${process.pid}`;
  await rm(making, { recursive: true, force: true });
  await mkdir(making, { recursive: true });
  for (const path of paths) await placeSameFile(join(from, path), join(making, path));
  await rename(making, to).catch(async (error: unknown) => {
    // Another replica of the version was faster.
    await rm(making, { recursive: true, force: true });
    if ((await stat(to).catch(() => null)) === null) throw error;
  });
}

async function linkFiles(paths: readonly string[], from: string, to: string): Promise<void> {
  for (const path of paths) {
    const place = join(to, path);
    await mkdir(dirname(place), { recursive: true });
    await rm(place, { force: true });
    await symlink(join(from, path), place);
  }
}

async function writeReference(path: string, commit: string): Promise<void> {
  // A commit stands for itself.
  if (path.endsWith(`/${commit}`)) return;
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, commit);
}

function mebibytes(bytes: number): number {
  return Math.round(bytes / 1024 ** 2);
}
