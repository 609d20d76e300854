// sha256 of a file, streamed, for files of any size.

import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";

export interface DigestOptions {
  /** Told the bytes hashed so far, at most every 4 MiB. */
  readonly onProgress?: (doneBytes: number) => void;
  readonly signal?: AbortSignal;
}

/** Hex sha256 of the file's bytes. */
export async function sha256OfFile(path: string, options: DigestOptions = {}): Promise<string> {
  const hash = createHash("sha256");
  let doneBytes = 0;
  const stream = createReadStream(path, {
    highWaterMark: 4 << 20,
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
  for await (const chunk of stream) {
    const bytes = chunk as Buffer;
    hash.update(bytes);
    doneBytes += bytes.length;
    options.onProgress?.(doneBytes);
  }
  return hash.digest("hex");
}
