// Bundle files ↔ a plain POSIX tar. Packing is reproducible; unpacking trusts nothing of what it reads. Nothing in it
// can grow: what is compressed or sparse is refused, so an archive holds at most as many bytes as were sent. Knows
// neither config nor manifest.

import { createReadStream } from "node:fs";
import { mkdir, open, readdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { asServingError, isServingError } from "@corral/contract";
import { extract, pack, type Header } from "tar-stream";
import { entryNames } from "./archive-names.ts";
import { fieldError, invalidBundle } from "./invalid-bundle.ts";
import { contentOf, executableOf, mostFiles, type BundleFile } from "./files.ts";

export interface UnpackLimits {
  /** Directories may be three times as many. */
  readonly fileCount: number;
  /** Of one file. */
  readonly fileBytes: number;
  /** Of all files together. */
  readonly totalBytes: number;
}

export const defaultUnpackLimits: UnpackLimits = {
  fileCount: mostFiles,
  fileBytes: 256 * 2 ** 30,
  totalBytes: 256 * 2 ** 30,
};

export interface PackOptions {
  /** Told the bytes of file content read so far. */
  readonly onProgress?: (doneBytes: number) => void;
  readonly signal?: AbortSignal;
}

/**
 * A tar of `files` (see `inspectBundle`): ascending by path, no times, owners or modes but whether a file may be run, so equal content gives
 * equal bytes. The stream fails with `invalid_bundle` where a file changes while it is packed.
 */
export function packBundle(
  directory: string,
  files: readonly BundleFile[],
  options: PackOptions = {},
): Readable {
  const archive = pack();
  const sorted = [...files].sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
  const fill = async () => {
    let doneBytes = 0;
    for (const file of sorted) {
      options.signal?.throwIfAborted();
      const mode = file.executable === true ? 0o755 : 0o644;
      const header = { name: file.path, size: file.size, mode, mtime: new Date(0), uid: 0, gid: 0 };
      const entry = archive.entry(header);
      const count = async function* (source: AsyncIterable<Buffer>) {
        let bytes = 0;
        for await (const chunk of source) {
          bytes += chunk.length;
          doneBytes += chunk.length;
          if (bytes > file.size) break;
          options.onProgress?.(doneBytes);
          yield chunk;
        }
        if (bytes !== file.size) throw refuse(`${file.path} changed while it was packed; push again.`);
      };
      const source = createReadStream(contentOf(directory, file), { highWaterMark: 1 << 18 });
      await pipeline(source, count, entry);
    }
    archive.finalize();
  };
  fill().catch((error: unknown) => archive.destroy(asError(error)));
  return Readable.from(archive, { objectMode: false });
}

/**
 * Unpacks a tar into `directory`, which must be empty and the caller's own; on failure the caller removes it.
 * Refused with `invalid_bundle`: names that leave the directory or could be read two ways, links, devices,
 * duplicates, names that differ in case only, sizes over `limits`, and an archive without its end.
 */
export async function unpackArchive(
  stream: AsyncIterable<Uint8Array>,
  directory: string,
  limits: UnpackLimits = defaultUnpackLimits,
): Promise<BundleFile[]> {
  if ((await readdir(directory)).length > 0) throw new TypeError(`unpackArchive: ${directory} is not empty`);
  const names = entryNames();
  const files: BundleFile[] = [];
  let totalBytes = 0;
  let entryCount = 0;
  const archive = extract();
  const write = async () => {
    for await (const entry of archive) {
      const header: Header = entry.header;
      if (++entryCount > 4 * limits.fileCount)
        throw refuse(`The archive has over ${entryCount - 1} entries.`);
      requirePlain(header);
      const path = names.add(header.name, header.type ?? "thing of an unknown kind");
      if (path === null) {
        entry.resume();
        continue;
      }
      const size = header.size ?? 0;
      totalBytes += size;
      if (files.length >= limits.fileCount) throw refuse(`The archive has over ${limits.fileCount} files.`);
      if (size > limits.fileBytes)
        throw refuse(`${path} has ${size} bytes; at most ${limits.fileBytes} are taken.`);
      if (totalBytes > limits.totalBytes) throw refuse(`The archive holds over ${limits.totalBytes} bytes.`);
      await mkdir(dirname(join(directory, path)), { recursive: true });
      // "wx" never follows or replaces what stands there.
      const executable = executableOf(header.mode ?? 0);
      const mode = executable.executable === true ? 0o755 : 0o644;
      const file = await open(join(directory, path), "wx", mode);
      await pipeline(entry, file.createWriteStream());
      files.push({ path, size, ...executable });
    }
  };
  try {
    await Promise.all([pipeline(checkEnd(stream), archive), write()]);
  } catch (error) {
    throw isServingError(error) ? error : asArchiveError(error);
  }
  if (files.length === 0) throw refuse("The archive is empty.");
  return files.sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** A sparse file is smaller in the archive than on disk; what is read of one is its map, not its content. */
function requirePlain({ name, pax }: Header): void {
  const isSparse = Object.keys(pax ?? {}).some((key) => key.startsWith("GNU.sparse."));
  if (isSparse) throw refuse(`${JSON.stringify(name.slice(0, 100))} is sparse; pack it as a plain file.`);
}

/** Passes the bytes on and requires the two zero blocks at the end, without which files may be missing. */
async function* checkEnd(stream: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  let length = 0;
  let tail: Buffer = Buffer.alloc(0);
  for await (const bytes of stream) {
    const chunk = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (length === 0 && chunk[0] === 0x1f && chunk[1] === 0x8b) {
      throw refuse("The archive is compressed; send the tar as it is.");
    }
    length += chunk.length;
    tail = chunk.length >= 1024 ? chunk.subarray(-1024) : Buffer.concat([tail, chunk]).subarray(-1024);
    yield chunk;
  }
  if (length === 0) throw refuse("The archive is empty.");
  if (length % 512 !== 0 || tail.length < 1024 || tail.some((byte) => byte !== 0)) {
    throw refuse("The archive ends too early: it was cut off on the way; push again.");
  }
}

/** What tar-stream found wrong, or an error of the disk or of the sender, which is none of the bundle's. */
function asArchiveError(error: unknown): Error {
  if (error instanceof Error && "code" in error && typeof error.code === "string") {
    const nameTooLong = ["ENAMETOOLONG", "EINVAL", "EILSEQ"].includes(error.code);
    if (!nameTooLong)
      return error.code === "ERR_STREAM_PREMATURE_CLOSE" ? refuse("The archive ends too early.") : error;
  }
  if (error instanceof TypeError || !(error instanceof Error)) return asServingError(error);
  return refuse(`The archive is not a valid tar (${error.message}).`);
}

function refuse(message: string): Error {
  return invalidBundle([fieldError("", "invalid_bundle", message)]);
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
