// The engine's prefix store in files: one for each prefix, named by its content, checked when read, bounded in bytes.
// Uses synchronous calls in short pieces: the process's only pool thread belongs to the model.

import {
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeSync,
} from "node:fs";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import {
  createScratchBytes,
  type PrefixStore,
  type ScratchBytes,
  type StoredPrefix,
  type WrittenPrefix,
} from "@corral/engine";
import type { Log } from "./log.ts";

export interface PrefixFilesOptions {
  /** Of one model's weights in one precision; made with mode 700. */
  readonly directory: string;
  /** What makes states interchangeable: weights, precision, version of the library. */
  readonly identity: string;
  readonly limitBytes: number;
  readonly log: Log;
}

/** magic · length of the JSON header · header · ids (int32) · state. */
const magic = Buffer.from("corralp1");
const suffix = ".prefix";
const longestHeaderBytes = 64 * 1024;
/** Between two pieces others have their turn. */
const pieceBytes = 4 * 1024 * 1024;
/** A file that is still being written after so long has lost its writer. */
const staleAfterMs = 10 * 60_000;

interface Header {
  readonly identity: string;
  readonly namespace: string;
  readonly id_count: number;
  readonly state_bytes: number;
  /** CRC-32 of ids and state. */
  readonly crc32: number;
}

interface Entry {
  readonly stored: StoredPrefix;
  readonly sizeBytes: number;
}

/** Null, with the reason in the log, where the directory cannot be used: prefixes then last as long as the replica. */
export function openPrefixFiles(options: PrefixFilesOptions): PrefixStore | null {
  try {
    return openDirectory(options);
  } catch (error) {
    options.log.warn("prefixes are not saved", { error: String(error) });
    return null;
  }
}

/** Reads the headers of what is there; what does not belong or is damaged is removed. */
function openDirectory(options: PrefixFilesOptions): PrefixStore {
  const { directory, identity, limitBytes, log } = options;
  // What was touched is not collected.
  if (mkdirSync(directory, { recursive: true, mode: 0o700 }) === undefined)
    utimesSync(directory, new Date(), new Date());
  /** Least recently used first. */
  const entries = new Map<string, Entry>();
  for (const entry of readEntries(options)) entries.set(entry.stored.key, entry);

  const stateBytes = createScratchBytes();
  const pathOf = (key: string) => join(directory, `${key}${suffix}`);

  function remove(key: string): void {
    entries.delete(key);
    removeFile(pathOf(key), log);
  }

  /** Other replicas of the same weights write here, too: the directory is what counts. */
  function makeRoom(neededBytes: number): string[] {
    const removed: string[] = [];
    const files = readFiles(directory).sort((a, b) => a.usedAtMs - b.usedAtMs);
    let usedBytes = files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    for (const { name, sizeBytes } of files) {
      if (usedBytes + neededBytes <= limitBytes) break;
      const key = name.slice(0, -suffix.length);
      if (entries.has(key)) removed.push(key);
      remove(key);
      usedBytes -= sizeBytes;
    }
    return removed;
  }

  makeRoom(0);

  return {
    get entries() {
      return [...entries.values()].map(({ stored }) => stored);
    },

    async write(namespace, ids, state): Promise<WrittenPrefix | null> {
      const idBytes = Buffer.from(Int32Array.from(ids).buffer);
      const header: Header = {
        identity,
        namespace,
        id_count: ids.length,
        state_bytes: state.byteLength,
        crc32: await checksum([idBytes, state]),
      };
      const headerBytes = Buffer.from(JSON.stringify(header));
      const length = Buffer.alloc(4);
      length.writeUInt32LE(headerBytes.length);
      const parts = [magic, length, headerBytes, idBytes, state];
      const sizeBytes = parts.reduce((sum, part) => sum + part.byteLength, 0);
      if (sizeBytes > limitBytes || headerBytes.length > longestHeaderBytes) return null;
      const key = keyOf(identity, namespace, idBytes);
      const temporary = join(directory, `${key}.${process.pid}.tmp`);
      let removedKeys: readonly string[] = [];
      try {
        removedKeys = makeRoom(sizeBytes);
        await writeParts(temporary, parts);
        renameSync(temporary, pathOf(key));
      } catch (error) {
        log.warn("a prefix could not be saved", { error: String(error) });
        removeFile(temporary, log);
        // What went to make room is gone all the same: reading it will say so.
        return null;
      }
      const stored = { key, namespace, ids: [...ids] };
      entries.set(key, { stored, sizeBytes });
      return { stored, removedKeys };
    },

    async read(key) {
      const entry = entries.get(key);
      if (entry === undefined) return null;
      try {
        const state = await readState(pathOf(key), identity, stateBytes);
        entries.delete(key);
        entries.set(key, entry);
        // Least recently used first, for every process: the file's own time says when.
        utimesSync(pathOf(key), new Date(), new Date());
        return state;
      } catch (error) {
        log.warn("a saved prefix cannot be used", { error: String(error) });
        remove(key);
        return null;
      }
    },
  };
}

/** A file that cannot be removed is no reason to fail a call. */
function removeFile(path: string, log: Log): void {
  try {
    rmSync(path, { force: true });
  } catch (error) {
    log.warn("a file of saved prefixes stays", { error: String(error) });
  }
}

function keyOf(identity: string, namespace: string, idBytes: Buffer): string {
  return createHash("sha256").update(`${identity}\0${namespace}\0`).update(idBytes).digest("hex");
}

function readFiles(directory: string): { name: string; sizeBytes: number; usedAtMs: number }[] {
  return readdirSync(directory)
    .filter((name) => name.endsWith(suffix))
    .flatMap((name) => {
      const stats = statSync(join(directory, name), { throwIfNoEntry: false });
      return stats === undefined ? [] : [{ name, sizeBytes: stats.size, usedAtMs: stats.mtimeMs }];
    });
}

function readEntries({ directory, identity, log }: PrefixFilesOptions): Entry[] {
  const found: (Entry & { readonly usedAtMs: number })[] = [];
  for (const name of readdirSync(directory)) {
    const path = join(directory, name);
    try {
      const { mtimeMs, size } = statSync(path);
      if (!name.endsWith(suffix)) {
        if (name.endsWith(".tmp") && Date.now() - mtimeMs > staleAfterMs) rmSync(path, { force: true });
        continue;
      }
      const { header, idBytes } = readHead(path, identity);
      const key = keyOf(identity, header.namespace, idBytes);
      if (`${key}${suffix}` !== name) throw new Error("its name is not that of its content");
      const ids = [...new Int32Array(Uint8Array.from(idBytes).buffer)];
      const stored = { key, namespace: header.namespace, ids };
      found.push({ stored, sizeBytes: size, usedAtMs: mtimeMs });
    } catch (error) {
      log.warn("a saved prefix is removed", { file: name, error: String(error) });
      removeFile(path, log);
    }
  }
  return found.sort((a, b) => a.usedAtMs - b.usedAtMs);
}

/** The header and the ids, and where the state begins. Throws where the file is not one of this identity. */
function readHead(path: string, identity: string): { header: Header; idBytes: Buffer; stateAt: number } {
  const file = openSync(path, "r");
  try {
    const start = readAt(file, 0, magic.length + 4);
    if (!start.subarray(0, magic.length).equals(magic)) throw new Error("it is no saved prefix");
    const headerLength = start.readUInt32LE(magic.length);
    if (headerLength > longestHeaderBytes) throw new Error("its header is too long");
    const header = JSON.parse(readAt(file, start.length, headerLength).toString("utf8")) as Header;
    if (header.identity !== identity) throw new Error("it is of other weights, precision or library");
    const stateAt = start.length + headerLength + header.id_count * 4;
    if (statSync(path).size !== stateAt + header.state_bytes) throw new Error("it is cut or too long");
    const idBytes = readAt(file, start.length + headerLength, header.id_count * 4);
    return { header, idBytes, stateAt };
  } finally {
    closeSync(file);
  }
}

async function readState(path: string, identity: string, bytes: ScratchBytes): Promise<Uint8Array> {
  const { header, idBytes, stateAt } = readHead(path, identity);
  const state = bytes(header.state_bytes);
  const file = openSync(path, "r");
  try {
    for (let offset = 0; offset < state.length; offset += pieceBytes) {
      const piece = state.subarray(offset, offset + pieceBytes);
      if (readSync(file, piece, 0, piece.length, stateAt + offset) !== piece.length)
        throw new Error("it is cut");
      await othersTurn();
    }
  } finally {
    closeSync(file);
  }
  if ((await checksum([idBytes, state])) !== header.crc32) throw new Error("it was altered");
  return state;
}

async function writeParts(path: string, parts: readonly Uint8Array[]): Promise<void> {
  const file = openSync(path, "wx", 0o600);
  try {
    for (const part of parts) {
      for (let offset = 0; offset < part.length; offset += pieceBytes) {
        const piece = part.subarray(offset, offset + pieceBytes);
        if (writeSync(file, piece) !== piece.length) throw new Error("the disk is full");
        await othersTurn();
      }
    }
  } finally {
    closeSync(file);
  }
}

async function checksum(parts: readonly Uint8Array[]): Promise<number> {
  let sum = 0;
  for (const part of parts) {
    for (let offset = 0; offset < part.length; offset += pieceBytes) {
      sum = crc32(part.subarray(offset, offset + pieceBytes), sum);
      await othersTurn();
    }
  }
  return sum;
}

function readAt(file: number, position: number, length: number): Buffer {
  const buffer = Buffer.alloc(length);
  if (readSync(file, buffer, 0, length, position) !== length) throw new Error("it is cut");
  return buffer;
}

function othersTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
