// Pushed bundles on disk, each in a directory named by its digest. A bundle is unpacked beside, checked, flushed
// and renamed into place, so a directory under `bundles/` is always whole. Knows nothing of rows.

import { randomUUID } from "node:crypto";
import { mkdir, open, readdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { readBundle, unpackArchive, type Bundle, type UnpackLimits } from "@corral/bundle";

export interface ReceivedBundle {
  readonly bundle: Bundle;
  /** Moves it to its place, or finds it there already; gives the directory. */
  keep(digest: string): Promise<string>;
  /** Removes what was not kept; to be called in any case. */
  discard(): Promise<void>;
}

export interface BundleStore {
  /** Unpacks and checks an archive. Fails with `invalid_bundle`. */
  receive(archive: AsyncIterable<Uint8Array>): Promise<ReceivedBundle>;
}

/** @param directory the store's own, in one file system: a rename must not copy */
export function createBundleStore(directory: string, limits: UnpackLimits): BundleStore {
  const bundles = join(directory, "bundles");
  const incoming = join(directory, "incoming");
  return {
    async receive(archive) {
      const place = join(incoming, randomUUID());
      await mkdir(place, { recursive: true, mode: 0o700 });
      await mkdir(bundles, { recursive: true, mode: 0o700 });
      const discard = () => rm(place, { recursive: true, force: true });
      try {
        await unpackArchive(archive, place, limits);
        const bundle = await readBundle(place);
        return {
          bundle,
          discard,
          async keep(digest) {
            const final = join(bundles, digest);
            if (await isDirectory(final)) return final;
            await flushTree(place);
            await rename(place, final).catch(async (error: unknown) => {
              // Another push of the same content was first.
              if (!(await isDirectory(final))) throw error;
            });
            await flush(bundles);
            return final;
          },
        };
      } catch (error) {
        await discard();
        throw error;
      }
    },
  };
}

/** Removes what an earlier process was still receiving when it ended. */
export async function removeIncoming(directory: string): Promise<void> {
  await rm(join(directory, "incoming"), { recursive: true, force: true });
}

async function flushTree(directory: string): Promise<void> {
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    await (entry.isDirectory() ? flushTree(path) : flush(path));
  }
  await flush(directory);
}

async function flush(path: string): Promise<void> {
  const file = await open(path, "r");
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

async function isDirectory(path: string): Promise<boolean> {
  return (await stat(path).catch(() => null))?.isDirectory() ?? false;
}
