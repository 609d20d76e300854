// One file from the hub into the cache's blobs: by one process at a time, checked, and under its name only when whole.

import { join } from "node:path";
import { ServingError } from "@corral/contract";
import { blobPath, locksDirectory, sizeOf, type RepositoryCache } from "./cache-layout.ts";
import { followDigest } from "./content-digest.ts";
import { fetchRanges, type RemoteFile } from "./fetch-ranges.ts";
import type { HubConnection, RepositoryFile } from "./listing.ts";
import { acquireLock } from "./lock.ts";
import { openPartialFile, partialBytes, segmentBytesFor } from "./partial-file.ts";

export interface BlobOptions {
  readonly cache: RepositoryCache;
  readonly connection: HubConnection;
  readonly connectionCount: number;
  readonly segmentBytes?: number;
  /** How much of the file is there, and how much has come over the wire since the last call. */
  readonly onProgress: (doneBytes: number, receivedBytes: number) => void;
}

/** Of Corral alone: Python writes `<digest>.<random>.incomplete` and never reads one again. */
export const partialPath = (cache: RepositoryCache, file: RepositoryFile): string =>
  `${blobPath(cache, file)}.corral.incomplete`;

/**
 * The blob is there afterwards, with the bytes that its name promises. Waits, with progress, where another process
 * fetches it. Fails with `download_corrupt`, or as `fetchRanges` and the file system do.
 */
export async function downloadBlob(remote: RemoteFile, options: BlobOptions): Promise<void> {
  const { cache, onProgress } = options;
  const { file } = remote;
  const blob = blobPath(cache, file);
  const partial = partialPath(cache, file);
  const isThere = async () => (await sizeOf(blob)) === file.sizeBytes;
  const lock = await acquireLock(join(locksDirectory(cache), `${file.digest.hex}.corral.lock`), {
    signal: options.connection.signal,
    async whileWaiting() {
      if (await isThere()) return true;
      onProgress(await partialBytes(partial), 0);
      return false;
    },
  });
  if (lock !== null) {
    try {
      if (!(await isThere())) await fetchChecked(remote, blob, partial, options);
    } finally {
      await lock.release();
    }
  }
  onProgress(file.sizeBytes, 0);
}

async function fetchChecked(
  remote: RemoteFile,
  blob: string,
  partialName: string,
  options: BlobOptions,
): Promise<void> {
  const { sizeBytes, digest } = remote.file;
  const segmentBytes = options.segmentBytes ?? segmentBytesFor(sizeBytes);
  const partial = await openPartialFile(partialName, sizeBytes, segmentBytes);
  try {
    let resumed = partial.resumedBytes > 0;
    for (;;) {
      const hex = await fillAndDigest(remote, partial, options);
      if (hex === digest.hex) break;
      await partial.reset();
      // What an earlier process left may have suffered since, in a crash of the machine: once more from the start.
      if (!resumed) throw corrupt(remote, hex);
      resumed = false;
    }
    await partial.finish(blob);
  } catch (error) {
    await partial.close();
    throw error;
  }
}

async function fillAndDigest(
  remote: RemoteFile,
  partial: Awaited<ReturnType<typeof openPartialFile>>,
  options: BlobOptions,
): Promise<string> {
  const { connection, connectionCount, onProgress } = options;
  const digest = followDigest(partial, remote.file.sizeBytes, remote.file.digest.kind);
  onProgress(partial.doneBytes(), 0);
  digest.advance();
  try {
    await fetchRanges(remote, partial, {
      connection,
      connectionCount,
      onBytes(receivedBytes) {
        digest.advance();
        onProgress(partial.doneBytes(), receivedBytes);
      },
    });
  } catch (error) {
    await digest.stop();
    throw error;
  }
  return digest.finish();
}

function corrupt(remote: RemoteFile, hex: string): ServingError {
  const { file, repository } = remote;
  return new ServingError(
    "download_corrupt",
    `${file.path} of ${repository} came with the ${file.digest.kind === "sha256" ? "sha256" : "git digest"} ${hex}, but the hub lists ${file.digest.hex}. It was thrown away; try again, or another mirror (HF_ENDPOINT).`,
  );
}
