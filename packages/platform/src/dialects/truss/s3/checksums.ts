// The checksums that S3's clients send with a body, computed while it passes.

import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import { s3Error } from "./s3-error.ts";

export interface RunningChecksum {
  update(bytes: Uint8Array): void;
  /** Base64, as the header has it. */
  digest(): string;
}

const prefix = "x-amz-checksum-";
/** They begin like one. */
const notChecksums: ReadonlySet<string> = new Set(["algorithm", "type", "mode"]);

const checksums: Readonly<Record<string, () => RunningChecksum>> = {
  crc32: () => runningCrc((bytes, value) => crc32(bytes, value)),
  crc32c: () => runningCrc(crc32c),
  sha1: () => runningHash("sha1"),
  sha256: () => runningHash("sha256"),
};

/** The checksum's name in `x-amz-checksum-crc32`; null for another header. Fails where it is not known here. */
export function checksumOfHeader(header: string): string | null {
  const name = header.toLowerCase();
  if (!name.startsWith(prefix)) return null;
  const checksum = name.slice(prefix.length);
  if (notChecksums.has(checksum)) return null;
  if (Object.hasOwn(checksums, checksum)) return checksum;
  const known = Object.keys(checksums).join(", ");
  throw s3Error("NotImplemented", `The checksum ${checksum} is not known here; send one of ${known}.`);
}

export function startChecksum(name: string): RunningChecksum {
  const start = checksums[name];
  if (start === undefined) throw new TypeError(`checksum ${name} was not looked up`);
  return start();
}

function runningHash(name: string): RunningChecksum {
  const hash = createHash(name);
  return { update: (bytes) => void hash.update(bytes), digest: () => hash.digest("base64") };
}

function runningCrc(next: (bytes: Uint8Array, value: number) => number): RunningChecksum {
  let value = 0;
  return {
    update(bytes) {
      value = next(bytes, value);
    },
    digest() {
      const bytes = Buffer.alloc(4);
      bytes.writeUInt32BE(value >>> 0);
      return bytes.toString("base64");
    },
  };
}

/** Castagnoli's polynomial, reflected. */
const table = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0x82f63b78 : value >>> 1;
  return value;
});

function crc32c(bytes: Uint8Array, start: number): number {
  let value = ~start >>> 0;
  for (const byte of bytes) value = (table[(value ^ byte) & 0xff] ?? 0) ^ (value >>> 8);
  return ~value >>> 0;
}
