// A file on its way: its bytes at their places, and beside it a map of which of them have come. Segments are filled from
// their starts, so one number each tells all. The map is in another file than the bytes: who writes late, after another
// process has finished the file, then spoils nothing.

import { open, readFile, rename, rm, stat, type FileHandle } from "node:fs/promises";

/** What is left to fetch of one segment: bytes [start, end) of the file. */
export interface Gap {
  readonly segment: number;
  readonly start: number;
  readonly end: number;
}

export interface PartialFile {
  readonly segmentCount: number;
  readonly segmentBytes: number;
  /** Bytes that lay there when it was opened. */
  readonly resumedBytes: number;
  /** Null: the segment is whole. */
  gap(segment: number): Gap | null;
  doneBytes(): number;
  /** All of [0, end) is there. */
  contiguousEnd(): number;
  /** Writes bytes that follow what a segment has; more than it holds is an error of the caller. */
  append(segment: number, bytes: Uint8Array): Promise<void>;
  /** Fills `buffer` from the file; how many bytes were there. */
  read(buffer: Uint8Array, position: number): Promise<number>;
  /** Forgets all bytes. */
  reset(): Promise<void>;
  /** Flushes to the disk and gives the file its name; only for whole and checked ones. */
  finish(path: string): Promise<void>;
  /** Closes and keeps what has come for the next try, also after a `finish` that failed. */
  close(): Promise<void>;
}

const magic = 0x434f5252;
const headerBytes = 24;
/** The map on disk may lag behind by so much in each segment: what a `kill -9` loses. */
const lagBytes = 64 << 10;

/** Files of `sizeBytes` are cut into this many bytes: at most 32 parts of 16 to 128 MiB. */
export function segmentBytesFor(sizeBytes: number): number {
  const mebibytes = Math.ceil(sizeBytes / 32 / (1 << 20));
  return Math.min(Math.max(mebibytes, 16), 128) << 20;
}

/** Opens `path`, with what an earlier process left there if it was of the same size and cut the same way. */
export async function openPartialFile(
  path: string,
  sizeBytes: number,
  segmentBytes: number = segmentBytesFor(sizeBytes),
): Promise<PartialFile> {
  const mapPath = `${path}.map`;
  const segmentCount = Math.ceil(sizeBytes / segmentBytes);
  const lengthOf = (segment: number) => Math.min(segmentBytes, sizeBytes - segment * segmentBytes);
  const found = await readMap(mapPath, path, sizeBytes, segmentBytes);
  const data = await open(path, found === null ? "w+" : "r+");
  const map = await openMap(mapPath, found, sizeBytes, segmentBytes).catch(async (error: unknown) => {
    await data.close();
    throw error;
  });
  const done = found ?? Array.from({ length: segmentCount }, () => 0);
  const noted = [...done];
  const sum = () => done.reduce((total, bytes) => total + bytes, 0);

  const note = async (segment: number): Promise<void> => {
    const bytes = done[segment] ?? 0;
    if (noted[segment] === bytes) return;
    noted[segment] = bytes;
    const entry = Buffer.alloc(8);
    entry.writeBigUInt64LE(BigInt(bytes));
    await map.write(entry, 0, 8, headerBytes + 8 * segment);
  };
  const noteAll = async (): Promise<void> => {
    for (let segment = 0; segment < segmentCount; segment += 1) await note(segment);
  };

  return {
    segmentCount,
    segmentBytes,
    resumedBytes: sum(),
    gap(segment) {
      const have = done[segment] ?? 0;
      const from = segment * segmentBytes;
      return have === lengthOf(segment)
        ? null
        : { segment, start: from + have, end: from + lengthOf(segment) };
    },
    doneBytes: sum,
    contiguousEnd() {
      const first = done.findIndex((bytes, segment) => bytes < lengthOf(segment));
      return first < 0 ? sizeBytes : first * segmentBytes + (done[first] ?? 0);
    },
    async append(segment, bytes) {
      const have = done[segment] ?? 0;
      if (have + bytes.length > lengthOf(segment)) throw new RangeError(`segment ${segment} would overflow`);
      await writeAll(data, bytes, segment * segmentBytes + have);
      done[segment] = have + bytes.length;
      if (have + bytes.length - (noted[segment] ?? 0) >= lagBytes) await note(segment);
    },
    read: async (buffer, position) => (await data.read(buffer, 0, buffer.length, position)).bytesRead,
    async reset() {
      done.fill(0);
      await noteAll();
      await data.truncate(0);
    },
    async finish(target) {
      await data.sync();
      await data.close();
      await map.close();
      await rename(path, target);
      await rm(mapPath, { force: true });
    },
    async close() {
      // A full disk must not hide why the download ended.
      await noteAll().catch(() => undefined);
      await data.close();
      await map.close();
    },
  };
}

/** Bytes that a process has on its way at `path`; 0 where there are none. */
export async function partialBytes(path: string): Promise<number> {
  const map = await readFile(`${path}.map`).catch(() => null);
  if (map === null || !isMap(map)) return 0;
  let total = 0;
  for (let at = headerBytes; at + 8 <= map.length; at += 8) total += Number(map.readBigUInt64LE(at));
  return total;
}

function isMap(map: Buffer): boolean {
  return map.length >= headerBytes && map.readUInt32LE(0) === magic;
}

async function readMap(
  mapPath: string,
  path: string,
  sizeBytes: number,
  segmentBytes: number,
): Promise<number[] | null> {
  const map = await readFile(mapPath).catch(() => null);
  const segmentCount = Math.ceil(sizeBytes / segmentBytes);
  if (map === null || !isMap(map) || map.length !== headerBytes + 8 * segmentCount) return null;
  if (Number(map.readBigUInt64LE(8)) !== sizeBytes || Number(map.readBigUInt64LE(16)) !== segmentBytes)
    return null;
  const done = Array.from({ length: segmentCount }, (_, segment) =>
    Number(map.readBigUInt64LE(headerBytes + 8 * segment)),
  );
  const length = (await stat(path).catch(() => null))?.size;
  if (length === undefined) return null;
  const fits = done.every((bytes, segment) => {
    const from = segment * segmentBytes;
    return bytes <= Math.min(segmentBytes, sizeBytes - from) && (bytes === 0 || from + bytes <= length);
  });
  return fits ? done : null;
}

async function openMap(
  mapPath: string,
  found: readonly number[] | null,
  sizeBytes: number,
  segmentBytes: number,
): Promise<FileHandle> {
  if (found !== null) return open(mapPath, "r+");
  const map = await open(mapPath, "w+");
  const header = Buffer.alloc(headerBytes + 8 * Math.ceil(sizeBytes / segmentBytes));
  header.writeUInt32LE(magic, 0);
  header.writeBigUInt64LE(BigInt(sizeBytes), 8);
  header.writeBigUInt64LE(BigInt(segmentBytes), 16);
  await map.write(header, 0, header.length, 0);
  return map;
}

async function writeAll(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, position + done);
    done += bytesWritten;
  }
}
