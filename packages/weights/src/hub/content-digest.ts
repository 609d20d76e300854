// Digests of a file that is still growing: bytes are read back from the disk as they come to stand next to each other, so
// what is checked is what was written.

import { createHash, type Hash } from "node:crypto";
import type { ContentDigest } from "./listing.ts";

export interface GrowingDigest {
  /** Tells that more of the file may be there. */
  advance(): void;
  /** Hex of the whole file; call it once, when all bytes are there. */
  finish(): Promise<string>;
  /** Gives up; afterwards the file is no longer read. */
  stop(): Promise<void>;
}

export interface GrowingFile {
  contiguousEnd(): number;
  read(buffer: Uint8Array, position: number): Promise<number>;
}

const blockBytes = 1 << 20;

export function followDigest(
  file: GrowingFile,
  sizeBytes: number,
  kind: ContentDigest["kind"],
): GrowingDigest {
  const hash = startDigest(kind, sizeBytes);
  const buffer = Buffer.allocUnsafe(Math.max(1, Math.min(blockBytes, sizeBytes)));
  let at = 0;
  let running: Promise<void> | null = null;
  let failure: Error | null = null;
  let stopped = false;

  const run = async (): Promise<void> => {
    while (!stopped && at < file.contiguousEnd()) {
      const count = await file.read(
        buffer.subarray(0, Math.min(buffer.length, file.contiguousEnd() - at)),
        at,
      );
      if (count === 0) throw new Error(`the file ends at ${at} of ${sizeBytes} bytes`);
      hash.update(buffer.subarray(0, count));
      at += count;
    }
  };
  const advance = (): void => {
    if (running !== null || failure !== null) return;
    running = run()
      .catch((error: unknown) => {
        failure = error instanceof Error ? error : new Error(String(error));
      })
      .finally(() => {
        running = null;
      });
  };
  return {
    advance,
    async finish() {
      do {
        advance();
        await running;
        if (failure !== null) throw failure;
      } while (at < sizeBytes);
      return hash.digest("hex");
    },
    async stop() {
      stopped = true;
      await running;
    },
  };
}

/** sha256 of the bytes, or git's name of a blob: sha1 over its kind, its length and the bytes. */
export function startDigest(kind: ContentDigest["kind"], sizeBytes: number): Hash {
  return kind === "sha256" ? createHash("sha256") : createHash("sha1").update(`blob ${sizeBytes}\0`);
}
