// Tells when something in a model directory may have changed. What it was is for others to find out: editors write files
// in many ways, and events get lost.

import { watch, type FSWatcher } from "node:fs";
import { resolve } from "node:path";
import type { InspectedBundle } from "@corral/bundle";

export interface TreeWatch {
  /** Resolves when something happened since the last call and it has been quiet for a moment, or it is time to look. */
  changed(): Promise<void>;
  /** Directories that come into being are watched as well: to be called before a directory is read. */
  follow(): Promise<void>;
  close(): void;
}

export interface TreeWatchOptions {
  readonly directory: string;
  /** Others whose content goes into the bundle. */
  readonly besides: () => readonly string[];
  /** Quiet for so long, an edit is over: editors write several files, or one in several steps. */
  readonly quietMs?: number;
  /** Where no event comes, as from other machines' file systems. */
  readonly lookMs?: number;
  readonly signal: AbortSignal;
}

export function watchTree({
  directory,
  besides,
  quietMs = 30,
  lookMs = 2_000,
  signal,
}: TreeWatchOptions): TreeWatch {
  const watchers = new Map<string, FSWatcher>();
  let happened = false;
  let heard = Promise.withResolvers<void>();
  let quiet: NodeJS.Timeout | undefined;
  const hear = () => {
    happened = true;
    clearTimeout(quiet);
    quiet = setTimeout(() => heard.resolve(), quietMs);
  };
  const stop = () => heard.resolve();
  signal.addEventListener("abort", stop, { once: true });

  function add(path: string): void {
    if (watchers.has(path)) return;
    try {
      const watcher = watch(path, { persistent: false }, hear);
      // It is gone; what it lay in has told so.
      watcher.on("error", () => remove(path));
      watchers.set(path, watcher);
    } catch {
      // It went away, or the system watches no more: it is looked at from time to time.
    }
  }

  function remove(path: string): void {
    watchers.get(path)?.close();
    watchers.delete(path);
  }

  return {
    async changed() {
      if (!happened) {
        const timer = setTimeout(() => heard.resolve(), lookMs);
        await heard.promise;
        clearTimeout(timer);
      } else await heard.promise;
      happened = false;
      heard = Promise.withResolvers<void>();
      signal.throwIfAborted();
    },
    async follow() {
      const { listDirectories, readIgnoreRules } = await import("@corral/bundle");
      const all = new Set<string>();
      for (const root of [directory, ...besides()])
        for (const path of await listDirectories(root, await readIgnoreRules(root))) all.add(path);
      for (const path of watchers.keys()) if (!all.has(path)) remove(path);
      for (const path of all) add(path);
    },
    close() {
      clearTimeout(quiet);
      signal.removeEventListener("abort", stop);
      for (const path of watchers.keys()) remove(path);
    },
  };
}

/** Directories outside of a model's own from which its bundle takes files. */
export function gatheredFrom(
  directory: string,
  { truss }: Pick<InspectedBundle, "truss">,
): readonly string[] {
  return (truss?.externalPackageDirs ?? []).map((path) => resolve(directory, path));
}
