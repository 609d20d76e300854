// The way from one version's files to the next one's: which operations it takes, and what they make. Pure: reads no
// file, and knows contents by their hashes alone.

import { entryNames } from "./archive-names.ts";
import { fieldError, invalidBundle } from "./invalid-bundle.ts";
import type { ManifestFile } from "./manifest.ts";

export interface PatchOperations {
  /** New ones and those with another content, ascending by path. */
  readonly changed: readonly ManifestFile[];
  /** Paths, ascending. */
  readonly removed: readonly string[];
}

/** The fewest operations that make `to` of `from`. */
export function diffFiles(from: readonly ManifestFile[], to: readonly ManifestFile[]): PatchOperations {
  const before = new Map(from.map((file) => [file.path, file]));
  const after = new Set(to.map(({ path }) => path));
  return {
    changed: to
      .filter(({ path, sha256 }) => before.get(path)?.sha256 !== sha256)
      .toSorted((a, b) => byText(a.path, b.path)),
    removed: from
      .map(({ path }) => path)
      .filter((path) => !after.has(path))
      .toSorted(byText),
  };
}

/**
 * The files after a patch, ascending by path. Fails with `invalid_bundle` where it removes what is not there, changes
 * and removes the same file, or names files as no archive may.
 */
export function applyOperations(
  files: readonly ManifestFile[],
  { changed, removed }: PatchOperations,
): readonly ManifestFile[] {
  const next = new Map(files.map((file) => [file.path, file]));
  for (const [index, path] of removed.entries()) {
    if (!next.delete(path))
      throw refuse(
        `/removed/${index}`,
        `removed names ${JSON.stringify(path)}, which the version does not have.`,
      );
  }
  const gone = new Set(removed);
  for (const [index, { path, size, sha256 }] of changed.entries()) {
    if (gone.has(path))
      throw refuse(`/changed/${index}`, `${JSON.stringify(path)} is both changed and removed.`);
    // A patch says nothing of modes: what could be executed still can.
    const { executable } = next.get(path) ?? {};
    next.set(path, { path, size, sha256, ...(executable === undefined ? {} : { executable }) });
  }
  const sorted = [...next.values()].toSorted((a, b) => byText(a.path, b.path));
  const names = entryNames();
  for (const { path } of sorted) {
    // What it makes of another spelling, as `./a`, would be another file than the one that is meant.
    if (names.add(path, "file") !== path) throw refuse("", `${JSON.stringify(path)} is no plain path.`);
  }
  return sorted;
}

function refuse(pointer: string, message: string): Error {
  return invalidBundle([fieldError(pointer, "invalid_bundle", message)]);
}

function byText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
