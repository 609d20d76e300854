// What a model directory holds now, with hashes: only files that changed since it was last looked at are read again.

import { stat } from "node:fs/promises";
import type { BundleFile, InspectedBundle } from "@corral/bundle";

export interface LocalFile extends BundleFile {
  readonly sha256: string;
}

export type ReadLocalFiles = (
  directory: string,
  bundle: Pick<InspectedBundle, "files">,
) => Promise<LocalFile[]>;

/** Written within the same tick of the clock, a file may change and keep its time. */
const freshMs = 100;

export function createLocalFiles(): ReadLocalFiles {
  const known = new Map<string, { readonly mark: string; readonly sha256: string }>();
  return async (directory, bundle) => {
    const { contentOf, hashFile } = await import("@corral/bundle");
    const files: LocalFile[] = [];
    for (const file of bundle.files) {
      const place = contentOf(directory, file);
      const { size, mtimeMs, ctimeMs, ino } = await stat(place);
      const mark = [size, mtimeMs, ctimeMs, ino].join(" ");
      const before = known.get(place);
      const sha256 = before?.mark === mark ? before.sha256 : await hashFile(place);
      if (Date.now() - ctimeMs > freshMs) known.set(place, { mark, sha256 });
      else known.delete(place);
      files.push({ ...file, size, sha256 });
    }
    return files;
  };
}
