// Pushed bundles on disk, each in a directory named by its digest. A bundle is unpacked beside, checked, flushed
// and renamed into place, so a directory under `bundles/` is always whole. One that nobody refers to is removed; who
// refers to one is asked for, rows are not known here.

import { randomUUID } from "node:crypto";
import { link, mkdir, open, readdir, rename, rm, stat, utimes, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { ServingError } from "@corral/contract";
import {
  configFileName,
  readBundle,
  removeForeignFiles,
  unpackArchive,
  type Bundle,
  type ManifestFile,
  type ReadSyntax,
  type UnpackLimits,
} from "@corral/bundle";

export interface ReceivedBundle {
  readonly bundle: Bundle;
  /** Moves it to its place, or finds it there already; gives the directory. */
  keep(digest: string): Promise<string>;
  /** Removes what was not kept, or was and is not referred to; to be called in any case. */
  discard(): Promise<void>;
}

export interface BundleStore {
  /** In which each bundle has a directory of its digest. */
  readonly directory: string;
  /** Unpacks and checks an archive. Fails with `invalid_bundle`. */
  receive(archive: AsyncIterable<Uint8Array>): Promise<ReceivedBundle>;
  /**
   * Makes a bundle of one that is here: with `files`, whose contents are among `changed` or as they were. Fails with
   * `invalid_bundle`.
   */
  derive(
    base: string,
    files: readonly ManifestFile[],
    changed: ReadonlyMap<string, Uint8Array>,
  ): Promise<ReceivedBundle>;
  /**
   * Removes these bundles, but for what is referred to or counted on by a push that is under way. Gives those that it removed.
   */
  removeUnreferenced(digests: readonly string[]): Promise<readonly string[]>;
  /** Of a bundle that is no longer used from now on: it was until this moment. */
  touch(digest: string): Promise<void>;
  /** The same with every bundle that is there. */
  sweep(): Promise<void>;
}

export interface BundleStoreOptions {
  /** The store's own, in one file system: a rename must not copy. No other process has one there. */
  readonly directory: string;
  readonly limits: UnpackLimits;
  readonly isReferenced: (digest: string) => Promise<boolean>;
  /** How the syntax of code is read; default: in a process for each bundle. */
  readonly readSyntax?: ReadSyntax;
}

export function createBundleStore(options: BundleStoreOptions): BundleStore {
  const { directory, limits, isReferenced, readSyntax: read } = options;
  const bundles = join(directory, "bundles");
  const incoming = join(directory, "incoming");
  /** Pushes that count on a bundle and may not have written yet that they refer to it. */
  const holders = new Map<string, number>();
  let turn: Promise<unknown> = Promise.resolve();

  /** One at a time: a bundle is not taken away between being found and being held. */
  function inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const mine = turn.then(work);
    turn = mine.catch(() => {});
    return mine;
  }

  function hold(digest: string, change: 1 | -1): void {
    const count = (holders.get(digest) ?? 0) + change;
    if (count > 0) holders.set(digest, count);
    else holders.delete(digest);
  }

  async function removeUnreferenced(digest: string): Promise<boolean> {
    const removed = join(incoming, randomUUID());
    const moved = await inTurn(async () => {
      if (holders.has(digest) || !(await isDirectory(join(bundles, digest)))) return false;
      if (await isReferenced(digest)) return false;
      await mkdir(incoming, { recursive: true, mode: 0o700 });
      await rename(join(bundles, digest), removed);
      return true;
    });
    if (moved) await rm(removed, { recursive: true, force: true });
    return moved;
  }

  return {
    directory: bundles,
    async removeUnreferenced(digests) {
      const removed: string[] = [];
      for (const digest of digests) if (await removeUnreferenced(digest)) removed.push(digest);
      return removed;
    },
    async touch(digest) {
      await utimes(join(bundles, digest), new Date(), new Date()).catch(() => undefined);
    },
    async sweep() {
      for (const digest of await readdir(bundles).catch(() => [])) await removeUnreferenced(digest);
    },
    receive: (archive) =>
      take(async (place) => {
        await unpackArchive(archive, place, limits);
        return await readBundle(place, { syntax: read === undefined ? {} : { read } });
      }),
    derive: (base, files, changed) =>
      take(async (place) => {
        requireWithin(limits, files);
        await linkFiles(join(bundles, base), place, files, changed);
        // What is in the base was read with it, unless the config makes code of what was none.
        const paths = changed.has(configFileName) ? [] : files.map(({ path }) => path);
        const known = new Set(paths.filter((path) => !changed.has(path)));
        const syntax = { ...(read === undefined ? {} : { read }), known };
        return await readBundle(place, { syntax }, new Map(files.map((file) => [file.path, file])));
      }, new Set(changed.keys())),
  };

  /** @param written paths of files that are new on the disk; default: all */
  async function take(
    fill: (place: string) => Promise<Bundle>,
    written?: ReadonlySet<string>,
  ): Promise<ReceivedBundle> {
    const place = join(incoming, randomUUID());
    await mkdir(place, { recursive: true, mode: 0o700 });
    await mkdir(bundles, { recursive: true, mode: 0o700 });
    let kept: string | null = null;
    const discard = async () => {
      await rm(place, { recursive: true, force: true });
      if (kept === null) return;
      hold(kept, -1);
      // What cannot be decided now is swept at the next start.
      await removeUnreferenced(kept).catch(() => {});
      kept = null;
    };
    try {
      const read = await fill(place);
      const bundle = { ...read, warnings: [...read.warnings, ...(await removeForeignFiles(read))] };
      return {
        bundle,
        discard,
        async keep(digest) {
          const final = join(bundles, digest);
          if (!(await isDirectory(final))) await flushTree(place, written);
          await inTurn(async () => {
            hold(digest, 1);
            kept = digest;
            // Another push of the same content may have been first.
            if (await isDirectory(final)) return;
            await rename(place, final);
            await flush(bundles);
          });
          return final;
        },
      };
    } catch (error) {
      await discard();
      throw error;
    }
  }
}

/** Fails with `invalid_bundle`, as unpacking does. */
function requireWithin(limits: UnpackLimits, files: readonly ManifestFile[]): void {
  const totalBytes = files.reduce((sum, { size }) => sum + size, 0);
  const large = files.find(({ size }) => size > limits.fileBytes);
  const message =
    files.length > limits.fileCount
      ? `The bundle would have ${files.length} files; at most ${limits.fileCount} are taken.`
      : totalBytes > limits.totalBytes || large !== undefined
        ? `The bundle would have ${totalBytes} bytes; at most ${limits.totalBytes} are taken.`
        : null;
  if (message !== null)
    throw new ServingError("invalid_bundle", message, {
      errors: [{ pointer: "", code: "invalid_bundle", message }],
    });
}

/** What did not change is the base's own file: it is never written to. */
async function linkFiles(
  base: string,
  place: string,
  files: readonly ManifestFile[],
  changed: ReadonlyMap<string, Uint8Array>,
): Promise<void> {
  const made = new Set<string>();
  for (const { path, executable } of files) {
    const target = join(place, path);
    if (!made.has(dirname(target))) await mkdir(dirname(target), { recursive: true });
    made.add(dirname(target));
    const content = changed.get(path);
    if (content === undefined) await link(join(base, path), target);
    else await writeFile(target, content, { flag: "wx", mode: executable === true ? 0o755 : 0o644 });
  }
}

/** Removes what an earlier process was still receiving when it ended. */
export async function removeIncoming(directory: string): Promise<void> {
  await rm(join(directory, "incoming"), { recursive: true, force: true });
}

async function flushTree(root: string, written?: ReadonlySet<string>, prefix = ""): Promise<void> {
  for (const entry of await readdir(join(root, prefix), { withFileTypes: true })) {
    const path = prefix === "" ? entry.name : `${prefix}/${entry.name}`;
    if (entry.isDirectory()) await flushTree(root, written, path);
    else if (written?.has(path) !== false) await flush(join(root, path));
  }
  await flush(join(root, prefix));
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
