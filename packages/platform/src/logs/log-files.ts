// The files of logs: named by the moment of their first line, so that the order of names is that of time.

import { readdir, rm, rmdir, stat } from "node:fs/promises";
import { basename, join } from "node:path";

const suffix = ".ndjson";

export function fileName(startMs: number): string {
  return `${String(startMs).padStart(15, "0")}${suffix}`;
}

/** Milliseconds since the epoch. */
export function startOf(path: string): number {
  return Number(basename(path, suffix));
}

/** Their paths, oldest first; none where there is no such directory. */
export async function listFiles(directory: string): Promise<string[]> {
  const names = await readdir(directory).catch(() => []);
  return names
    .filter((name) => /^\d{15}\.ndjson$/.test(name))
    .toSorted((a, b) => startOf(a) - startOf(b))
    .map((name) => join(directory, name));
}

export interface KeptFiles {
  readonly bytes: number;
  readonly keepMs: number;
}

/** The newest file of a former process; null: there is none. */
export async function continuedFile(
  directory: string,
): Promise<{ readonly path: string; readonly startMs: number; readonly bytes: number } | null> {
  const path = (await listFiles(directory)).at(-1);
  if (path === undefined) return null;
  const bytes = (await stat(path).catch(() => null))?.size;
  return bytes === undefined ? null : { path, startMs: startOf(path), bytes };
}

/** Removes the oldest files until the others take no more than `bytes`, and those whose last line is older than `keepMs`. */
export async function removeOld(
  directory: string,
  { bytes, keepMs }: KeptFiles,
  nowMs: number,
): Promise<void> {
  let sum = 0;
  for (const path of (await listFiles(directory)).toReversed()) {
    const found = await stat(path).catch(() => null);
    if (found === null) continue;
    sum += found.size;
    if (sum > bytes || found.mtimeMs < nowMs - keepMs) await rm(path, { force: true });
  }
}

/** The same for every deployment; one that has no file left has no directory any more. */
export async function removeOldOfAll(directory: string, limits: KeptFiles, nowMs: number): Promise<void> {
  for (const name of await readdir(directory).catch(() => [])) {
    const own = join(directory, name);
    await removeOld(own, limits, nowMs);
    // It fails where there is something left, as it should.
    await rmdir(own).catch(() => undefined);
  }
}
