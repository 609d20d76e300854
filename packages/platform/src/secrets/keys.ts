// The keys that secrets are sealed with: from CORRAL_SECRET_KEY, else from a file in CORRAL_HOME that is made at the first
// start. Never logged; messages name them by their ids.

import { randomBytes } from "node:crypto";
import { link, open, readFile, rename, stat, unlink } from "node:fs/promises";
import { join } from "node:path";
import { ServingError } from "@corral/contract";
import { sealingKeyBytes } from "./sealing.ts";

/** The first seals, all open. */
export type SealingKeys = readonly [Buffer, ...Buffer[]];

/**
 * Keys of 32 bytes in base64 or hex, the newest first, between commas, spaces or lines. Null: not such a text.
 */
export function parseSealingKeys(text: string): SealingKeys | null {
  const [first, ...others] = text.split(/[\s,]+/).filter((word) => word !== "");
  if (first === undefined) return null;
  const keys = [first, ...others].map(bytesOf);
  return keys.every((key) => key !== null) ? (keys as [Buffer, ...Buffer[]]) : null;
}

function bytesOf(word: string): Buffer | null {
  if (/^[0-9a-fA-F]{64}$/.test(word)) return Buffer.from(word, "hex");
  if (!/^[A-Za-z0-9+/_-]{43}=?$/.test(word)) return null;
  const key = Buffer.from(word, "base64");
  return key.length === sealingKeyBytes ? key : null;
}

export interface KeyFile {
  readonly path: string;
  read(): Promise<SealingKeys>;
  /** In place of what it holds: whole or not at all. */
  write(keys: SealingKeys): Promise<void>;
}

/** `secret-key` in a directory, mode 600, one key a line. Fails with `conflict` where it cannot be read. */
export function sealingKeyFile(directory: string): KeyFile {
  const path = join(directory, "secret-key");
  return {
    path,
    async read() {
      const text = await readFile(path, "utf8").catch((error: unknown) => {
        if (isMissing(error)) return null;
        throw error;
      });
      if (text === null) {
        const fresh = await writeBeside(path, [randomBytes(sealingKeyBytes)]);
        // Another process may have been first: its key stands.
        await link(fresh, path).catch(() => undefined);
        await unlink(fresh);
        return await this.read();
      }
      const keys = parseSealingKeys(text);
      if (keys === null)
        throw new ServingError(
          "conflict",
          `${path} does not hold keys of 32 bytes in base64; restore it from a backup, or secrets of the database stay shut.`,
        );
      if (((await stat(path)).mode & 0o077) !== 0)
        throw new ServingError(
          "conflict",
          `${path} can be read by other users of this machine; run chmod 600 ${path}, and corral secrets rotate-key.`,
        );
      return keys;
    },
    async write(keys) {
      await rename(await writeBeside(path, keys), path);
    },
  };
}

async function writeBeside(path: string, keys: readonly Buffer[]): Promise<string> {
  const fresh = `${path}.${randomBytes(6).toString("hex")}`;
  const file = await open(fresh, "wx", 0o600);
  try {
    await file.writeFile(keys.map((key) => `${key.toString("base64")}\n`).join(""));
    await file.sync();
  } finally {
    await file.close();
  }
  return fresh;
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}
