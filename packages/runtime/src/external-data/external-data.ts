// Files that a config names by URL, below the model's data directory before its code is started. Each is fetched once
// for all versions that name it; a version sees it as a link.

import { ServingError } from "@corral/contract";
import { createHash } from "node:crypto";
import { mkdir, readdir, rm, stat, symlink, utimes } from "node:fs/promises";
import { dirname, join, normalize, isAbsolute, sep } from "node:path";
import { placeSameFile } from "../hub-files/same-file.ts";
import { downloadFile, partMark, type DownloadOptions } from "./download-file.ts";

export interface ExternalFile {
  readonly url: string;
  /** Relative to the data directory. */
  readonly localDataPath: string;
}

export interface ExternalDataOptions extends Omit<DownloadOptions, "onProgress"> {
  /** Kept: files by the address they came from. */
  readonly cacheDirectory: string;
  /** Of this version alone: what the code can read. */
  readonly ownDirectory: string;
  readonly dataDirectory: string;
  /** One line for people who wait. */
  readonly onProgress: (line: string) => void;
}

const tellEveryBytes = 64 * 1024 ** 2;

/** Gives where they are kept. Fails with `invalid_bundle` for a path that leads out, and with `external_data_failed`. */
export async function placeExternalData(
  files: readonly ExternalFile[],
  options: ExternalDataOptions,
): Promise<readonly string[]> {
  const { cacheDirectory, ownDirectory, dataDirectory } = options;
  for (const { localDataPath } of files) checkPath(localDataPath);
  await mkdir(cacheDirectory, { recursive: true });
  await removeLeftovers(cacheDirectory);
  const all: string[] = [];
  for (const { url, localDataPath } of files) {
    const name = createHash("sha256").update(url).digest("hex");
    const kept = join(cacheDirectory, name);
    // The age of what is unused tells what may be removed. First, so that what is found to be there stays.
    await utimes(kept, new Date(), new Date()).catch(() => undefined);
    if ((await stat(kept).catch(() => null)) === null) await fetchFile(url, kept, localDataPath, options);
    const own = join(ownDirectory, name);
    await placeSameFile(kept, own);
    const place = join(dataDirectory, localDataPath);
    await mkdir(dirname(place), { recursive: true });
    await rm(place, { force: true });
    await symlink(own, place);
    all.push(kept);
  }
  return all;
}

/** What nothing was written to for so long was left by a process that died; a download that is silent fails before. */
const leftoverMs = 24 * 3_600_000;

async function removeLeftovers(directory: string): Promise<void> {
  for (const name of await readdir(directory)) {
    if (!name.includes(partMark)) continue;
    const path = join(directory, name);
    const found = await stat(path).catch(() => null);
    if (found !== null && Date.now() - found.mtimeMs > leftoverMs) await rm(path, { force: true });
  }
}

async function fetchFile(
  url: string,
  kept: string,
  name: string,
  { onProgress, ...options }: ExternalDataOptions,
): Promise<void> {
  onProgress(`Downloading ${name}`);
  let told = 0;
  await downloadFile(url, kept, {
    ...options,
    onProgress: (doneBytes, totalBytes) => {
      if (doneBytes - told < tellEveryBytes) return;
      told = doneBytes;
      const of = totalBytes === null ? "" : ` of ${mebibytes(totalBytes)}`;
      onProgress(`Downloading ${name}: ${mebibytes(doneBytes)}${of} MiB`);
    },
  });
}

function checkPath(path: string): void {
  const plain = normalize(path);
  if (
    path !== "" &&
    !isAbsolute(path) &&
    plain !== ".." &&
    !plain.startsWith(`..${sep}`) &&
    !path.includes("\0")
  )
    return;
  throw new ServingError(
    "invalid_bundle",
    `external_data: local_data_path is ${JSON.stringify(path)}; it must be a path below the data directory.`,
  );
}

function mebibytes(bytes: number): number {
  return Math.round(bytes / 1024 ** 2);
}
