// What can go wrong with the disk that holds the cache, said so that it can be put right.

import { statfs } from "node:fs/promises";
import { dirname } from "node:path";
import { ServingError } from "@corral/contract";

/** Left free for everything else on the disk. */
const reserveBytes = 64 << 20;

/** Bytes that this user may still write below the path, which need not exist yet. */
export async function freeBytesBelow(path: string): Promise<number> {
  for (let at = path; ; at = dirname(at)) {
    const found = await statfs(at).catch(() => null);
    if (found !== null) return found.bavail * found.bsize;
    if (dirname(at) === at) return Number.POSITIVE_INFINITY;
  }
}

/** Fails with `storage_full`. */
export function checkRoom(
  neededBytes: number,
  freeBytes: number,
  repository: string,
  cacheDirectory: string,
): void {
  const wanted = neededBytes + reserveBytes;
  if (neededBytes === 0 || wanted <= freeBytes) return;
  throw new ServingError(
    "storage_full",
    `${repository} needs ${gigabytes(neededBytes)} more in ${cacheDirectory}, where ${gigabytes(freeBytes)} are free: ${gigabytes(wanted - freeBytes)} are missing. Free some, or point HF_HOME to a larger disk.`,
  );
}

/** The error of the file system as one of ours; others come back as they are. */
export function storageError(error: unknown, cacheDirectory: string): unknown {
  const code = error instanceof Error && "code" in error ? error.code : null;
  if (code === "ENOSPC" || code === "EDQUOT") {
    return new ServingError(
      "storage_full",
      `The disk of ${cacheDirectory} is full. What was downloaded is kept: free some space, or point HF_HOME to a larger disk, and start again.`,
      { cause: error },
    );
  }
  if (typeof code === "string" && ["EROFS", "EACCES", "EPERM", "ENOTDIR", "EEXIST"].includes(code)) {
    return new ServingError(
      "weights_missing",
      `The cache ${cacheDirectory} cannot be written (${code}), and does not hold all files that are needed. Make it writable for this user, or point HF_HOME to a directory that is.`,
      { cause: error },
    );
  }
  return error;
}

export function gigabytes(bytes: number): string {
  return bytes < 1e9 ? `${Math.ceil(bytes / 1e6)} MB` : `${(bytes / 1e9).toFixed(1)} GB`;
}
