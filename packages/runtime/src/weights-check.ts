// Weights must be the bytes that were pushed. Runs before the load, the only time when reading files may use
// libuv's pool.

import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { basename } from "node:path";
import { ServingError } from "@corral/contract";

/** Hashes the file in pieces. Fails with `weights_changed`, `weights_missing` or `weights_unreadable`. */
export async function checkWeights(path: string, expectedSha256: string): Promise<void> {
  const hash = createHash("sha256");
  try {
    for await (const chunk of createReadStream(path, { highWaterMark: 1024 * 1024 }))
      hash.update(chunk as Buffer);
  } catch (cause) {
    const missing = cause instanceof Error && "code" in cause && cause.code === "ENOENT";
    throw missing
      ? new ServingError("weights_missing", `${basename(path)}: there is no such file.`, { cause })
      : new ServingError("weights_unreadable", `${basename(path)}: the file cannot be read.`, { cause });
  }
  const actual = hash.digest("hex");
  if (actual !== expectedSha256.toLowerCase()) {
    throw new ServingError(
      "weights_changed",
      `${basename(path)} has sha256 ${actual}, and ${expectedSha256} was pushed. Push it again as a new version.`,
    );
  }
}
