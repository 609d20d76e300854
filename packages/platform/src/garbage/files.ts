// Files and directories as things that may go: how large, used when, and how one is taken away that nobody must lose.

import { lstat, readdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";

export interface Measured {
  readonly bytes: number;
  /** Milliseconds since the epoch: of the thing itself. */
  readonly touchedMs: number;
  /** The same of it or anything in it. */
  readonly newestMs: number;
}

const removing = ".removing";

/** Null where it is not there. What goes while it is measured counts for nothing. */
export async function measure(path: string): Promise<Measured | null> {
  const own = await lstat(path).catch(() => null);
  if (own === null) return null;
  let bytes = own.isDirectory() ? 0 : own.size;
  let newestMs = own.mtimeMs;
  const names = own.isDirectory() ? await readdir(path, { recursive: true }).catch(() => []) : [];
  for (const name of names) {
    const found = await lstat(join(path, name)).catch(() => null);
    if (found === null) continue;
    if (!found.isDirectory()) bytes += found.size;
    newestMs = Math.max(newestMs, found.mtimeMs);
  }
  return { bytes, touchedMs: own.mtimeMs, newestMs };
}

export async function namesIn(directory: string): Promise<string[]> {
  return await readdir(directory).catch(() => []);
}

/**
 * Removes it unless it was touched at `usedSinceMs` or later. Whoever wants it touches it first and then looks: it is whole, or
 * it is not there, and is made anew. Answers whether it went.
 */
export async function removeUntouched(path: string, usedSinceMs: number): Promise<boolean> {
  const aside = `${path}${removing}`;
  // Left by a process that ended.
  await rm(aside, { recursive: true, force: true });
  const moved = await rename(path, aside).then(
    () => true,
    () => false,
  );
  if (!moved) return false;
  const found = await stat(aside).catch(() => null);
  if (found !== null && found.mtimeMs >= usedSinceMs) {
    // Where somebody has made it anew meanwhile, that one counts.
    await rename(aside, path).catch(() => rm(aside, { recursive: true, force: true }));
    return false;
  }
  await rm(aside, { recursive: true, force: true });
  return true;
}
