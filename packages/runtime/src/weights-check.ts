// Weights must be the bytes that were pushed. Reads in short synchronous pieces: an adapter is checked while the model
// computes, and the process's only pool thread belongs to the model.

import { createHash } from "node:crypto";
import { closeSync, openSync, readSync } from "node:fs";
import { basename } from "node:path";
import { ServingError } from "@corral/contract";

const pieceBytes = 1024 * 1024;

/** Hashes the file in pieces. Fails with `weights_changed`, `weights_missing` or `weights_unreadable`. */
export async function checkWeights(path: string, expectedSha256: string): Promise<void> {
  const hash = createHash("sha256");
  const piece = Buffer.allocUnsafe(pieceBytes);
  try {
    const file = openSync(path, "r");
    try {
      for (;;) {
        const count = readSync(file, piece, 0, pieceBytes, null);
        if (count === 0) break;
        hash.update(piece.subarray(0, count));
        // Between two pieces others have their turn.
        await new Promise((resolve) => setImmediate(resolve));
      }
    } finally {
      closeSync(file);
    }
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
