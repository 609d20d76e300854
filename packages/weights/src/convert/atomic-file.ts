// A file that has its name only once it is whole and on the disk: readers see it entirely or not at all.

import { randomUUID } from "node:crypto";
import { open, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { ServingError } from "@corral/contract";
import { errorCode, syncDirectory } from "./files.ts";

type Append = (bytes: Uint8Array) => Promise<void>;

/**
 * Calls `fill` with a function that appends, then gives the file its name. Leaves nothing behind where it fails.
 * Fails with `storage_full`, or with what `fill` failed with; resolves to the bytes written.
 */
export async function writeWhole(target: string, fill: (append: Append) => Promise<void>): Promise<number> {
  const part = join(dirname(target), `.${basename(target)}.${randomUUID()}.part`);
  let writtenBytes = 0;
  try {
    const file = await open(part, "wx");
    try {
      await fill(async (bytes) => {
        for (let at = 0; at < bytes.byteLength;) {
          const { bytesWritten } = await file.write(bytes, at);
          at += bytesWritten;
          writtenBytes += bytesWritten;
        }
      });
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(part, target);
    await syncDirectory(dirname(target));
    return writtenBytes;
  } catch (error) {
    // What went wrong first is what is told.
    await rm(part, { force: true }).catch(() => null);
    throw explained(error, target);
  }
}

function explained(error: unknown, target: string): unknown {
  const code = errorCode(error);
  const folder = dirname(target);
  if (code === "ENOSPC" || code === "EDQUOT") {
    return new ServingError(
      "storage_full",
      `There is no room left in ${folder} for ${basename(target)}; free some space.`,
      {
        cause: error,
        retryAfterSeconds: 60,
      },
    );
  }
  if (code === "EACCES" || code === "EPERM" || code === "EROFS" || code === "ENOENT" || code === "ENOTDIR") {
    return new ServingError(
      "weights_missing",
      `${basename(target)} cannot be stored in ${folder} (${code}); make it a directory that Corral may write to.`,
      { cause: error },
    );
  }
  return error;
}
