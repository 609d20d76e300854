// Archives on their way in, on disk: each upload has a directory, each attempt at it one inside, each part a file
// whose name says what it is. What is complete is listed in one file that is renamed into place, so an upload is
// whole or not there. Nothing is copied together: an archive is read part after part.

import { createHash, randomUUID } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, open, readdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { ServingError } from "@corral/contract";

export interface ReceivedPart {
  readonly number: number;
  /** md5 of the bytes, hex. */
  readonly etag: string;
  readonly bytes: number;
}

export interface UploadedArchive {
  /** md5 of the bytes; of parts, that of their md5s and how many they are. */
  readonly etag: string;
  readonly bytes: number;
}

export type Completion =
  | { readonly kind: "complete"; readonly archive: UploadedArchive }
  | { readonly kind: "no_attempt" }
  | { readonly kind: "no_part"; readonly number: number };

/** Uploads and attempts are named by words of letters, digits and `-`: the caller has checked them. */
export interface UploadStore {
  readonly maxBytes: number;
  /** A whole archive at once. Whatever `source` fails with, nothing is kept of it. */
  put(upload: string, source: AsyncIterable<Uint8Array>): Promise<UploadedArchive>;
  /** Begins an attempt in parts; one that was begun stays as it is. */
  begin(upload: string, attempt: string): Promise<void>;
  /** One part; sent again it replaces the first. Null where there is no such attempt. */
  putPart(
    upload: string,
    attempt: string,
    number: number,
    source: AsyncIterable<Uint8Array>,
  ): Promise<ReceivedPart | null>;
  /** Makes the archive of these parts, in this order. */
  complete(
    upload: string,
    attempt: string,
    parts: readonly Pick<ReceivedPart, "number" | "etag">[],
  ): Promise<Completion>;
  /** Answers false where the attempt became the archive, which stays. */
  abort(upload: string, attempt: string): Promise<boolean>;
  /** The bytes of what is complete; null where nothing is. */
  open(upload: string): Promise<AsyncIterable<Buffer> | null>;
  remove(upload: string): Promise<void>;
  /** Every upload of which something is there. */
  list(): Promise<string[]>;
}

interface Listing extends UploadedArchive {
  readonly attempt: string;
  /** File names, in the order of the bytes. */
  readonly files: readonly string[];
}

const listingName = "archive.json";

export function createUploadStore(directory: string, maxBytes: number): UploadStore {
  const placeOf = (upload: string, ...rest: readonly string[]) => join(directory, upload, ...rest);

  async function partsOf(
    upload: string,
    attempt: string,
  ): Promise<(ReceivedPart & { name: string })[] | null> {
    const names = await readdir(placeOf(upload, attempt)).catch(() => null);
    return names === null ? null : names.flatMap(readName);
  }

  async function receive(
    upload: string,
    attempt: string,
    number: number,
    source: AsyncIterable<Uint8Array>,
  ): Promise<ReceivedPart | null> {
    const before = await partsOf(upload, attempt);
    if (before === null) return null;
    const others = before.filter((part) => part.number !== number);
    let room = maxBytes - others.reduce((sum, { bytes }) => sum + bytes, 0);
    const place = placeOf(upload, attempt);
    const incoming = join(place, `incoming-${randomUUID()}`);
    const md5 = createHash("md5");
    let bytes = 0;
    try {
      const file = await open(incoming, "wx", 0o600);
      try {
        for await (const chunk of source) {
          bytes += chunk.byteLength;
          room -= chunk.byteLength;
          if (room < 0) throw tooLarge(maxBytes);
          md5.update(chunk);
          await writeAll(file, chunk);
        }
        await file.sync();
      } finally {
        await file.close();
      }
      const part = { number, etag: md5.digest("hex"), bytes };
      await rename(incoming, join(place, nameOf(part)));
      for (const old of before) {
        if (old.number === number && old.name !== nameOf(part))
          await rm(join(place, old.name), { force: true });
      }
      return part;
    } catch (error) {
      await rm(incoming, { force: true });
      throw error;
    }
  }

  async function finish(upload: string, listing: Listing): Promise<UploadedArchive> {
    await flush(placeOf(upload, listing.attempt));
    const incoming = placeOf(upload, `${listingName}-${randomUUID()}`);
    const file = await open(incoming, "wx", 0o600);
    try {
      await file.writeFile(JSON.stringify(listing));
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(incoming, placeOf(upload, listingName));
    await flush(placeOf(upload));
    for (const name of await readdir(placeOf(upload))) {
      const isNeeded = name === listing.attempt || name === listingName;
      if (!isNeeded) await rm(placeOf(upload, name), { recursive: true, force: true });
    }
    return { etag: listing.etag, bytes: listing.bytes };
  }

  async function begin(upload: string, attempt: string): Promise<void> {
    await mkdir(placeOf(upload, attempt), { recursive: true, mode: 0o700 });
  }

  return {
    maxBytes,
    begin,
    putPart: receive,
    async put(upload, source) {
      const attempt = randomUUID();
      await begin(upload, attempt);
      try {
        const part = await receive(upload, attempt, 1, source);
        if (part === null) throw new TypeError(`${upload} has lost its directory`);
        const { etag, bytes } = part;
        return await finish(upload, { attempt, files: [nameOf(part)], etag, bytes });
      } catch (error) {
        await rm(placeOf(upload, attempt), { recursive: true, force: true });
        throw error;
      }
    },
    async complete(upload, attempt, wanted) {
      const there = await partsOf(upload, attempt);
      if (there === null) return { kind: "no_attempt" };
      const md5 = createHash("md5");
      const files: string[] = [];
      let bytes = 0;
      for (const { number, etag } of wanted) {
        const part = there.find((one) => one.number === number && one.etag === etag);
        if (part === undefined) return { kind: "no_part", number };
        md5.update(Buffer.from(part.etag, "hex"));
        bytes += part.bytes;
        files.push(part.name);
      }
      // Whoever took the parts bounded them; a second look costs nothing.
      if (bytes > maxBytes) throw tooLarge(maxBytes);
      const etag = `${md5.digest("hex")}-${wanted.length}`;
      return { kind: "complete", archive: await finish(upload, { attempt, files, etag, bytes }) };
    },
    async abort(upload, attempt) {
      const listing = await readListing(placeOf(upload, listingName));
      if (listing?.attempt === attempt) return false;
      await rm(placeOf(upload, attempt), { recursive: true, force: true });
      return true;
    },
    async open(upload) {
      const listing = await readListing(placeOf(upload, listingName));
      if (listing === null) return null;
      return readAll(listing.files.map((name) => placeOf(upload, listing.attempt, name)));
    },
    remove: (upload) => rm(placeOf(upload), { recursive: true, force: true }),
    list: () => readdir(directory).catch(() => []),
  };
}

function nameOf({ number, etag, bytes }: ReceivedPart): string {
  return `${number}-${etag}-${bytes}`;
}

function readName(name: string): (ReceivedPart & { name: string })[] {
  const [, number, etag, bytes] = /^(\d+)-([0-9a-f]{32})-(\d+)$/.exec(name) ?? [];
  if (number === undefined || etag === undefined || bytes === undefined) return [];
  return [{ name, number: Number(number), etag, bytes: Number(bytes) }];
}

async function readListing(path: string): Promise<Listing | null> {
  const text = await readFile(path, "utf8").catch(() => null);
  // Written by us, and whole: it was renamed into place.
  return text === null ? null : (JSON.parse(text) as Listing);
}

async function* readAll(paths: readonly string[]): AsyncGenerator<Buffer> {
  for (const path of paths) yield* createReadStream(path, { highWaterMark: 1 << 18 });
}

async function writeAll(
  file: { write(bytes: Uint8Array, offset: number): Promise<{ bytesWritten: number }> },
  bytes: Uint8Array,
): Promise<void> {
  for (let offset = 0; offset < bytes.byteLength;) {
    offset += (await file.write(bytes, offset)).bytesWritten;
  }
}

async function flush(directory: string): Promise<void> {
  const handle = await open(directory, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function tooLarge(maxBytes: number): ServingError {
  return new ServingError("body_too_large", `The archive has over ${maxBytes} bytes, which is the limit.`);
}
