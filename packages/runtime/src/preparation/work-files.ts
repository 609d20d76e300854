// Files that exist only while weights are prepared: beside the target, so that a finished one takes its name at once,
// and named after the process and where it runs, so that the next one there removes what a killed one left.

import { placeOfProcesses } from "@corral/weights";
import { readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { mkdir, open, rename } from "node:fs/promises";
import { dirname, join } from "node:path";

export interface WorkFiles {
  /** Makes the target's directory and removes what processes that are gone left in it. */
  begin(): Promise<void>;
  /** The path of one that is not there yet. */
  path(name: string): string;
  owns(path: string): boolean;
  /** Gives a work file its name, whole and for good; replaces what had it. */
  publish(path: string, target: string): Promise<void>;
  /** All that there are, at once. */
  remove(): void;
}

/** Whoever writes such a file may put a part of it beside it, with one more dot. */
const pattern = /^\.{1,2}corral-preparing-(?:([0-9a-f]{16})-)?(\d+)-(\d+)-/;
/** A process of another container cannot be seen from here; what it works on changes all the time. */
const abandonedMs = 24 * 60 * 60 * 1_000;

export function createWorkFiles(target: string): WorkFiles {
  const directory = dirname(target);
  const place = placeOfProcesses();
  const prefix = `.corral-preparing-${place}-${process.pid}-${startTicks(process.pid) ?? 0}-`;
  const removeWhere = (isUnwanted: (name: string) => boolean): void => {
    for (const name of readdirSync(directory))
      if (isUnwanted(name)) rmSync(join(directory, name), { force: true });
  };
  return {
    async begin() {
      await makeDirectory(directory);
      removeWhere((name) => {
        const [, where, pid, ticks] = pattern.exec(name) ?? [];
        if (pid === undefined) return false;
        if (where !== place) return isAbandoned(join(directory, name));
        return startTicks(Number(pid)) !== Number(ticks);
      });
    },
    path: (name) => join(directory, prefix + name),
    owns: (path) => path.startsWith(join(directory, prefix)),
    async publish(path, named) {
      await flush(path);
      await rename(path, named);
      await flush(dirname(named));
    },
    remove() {
      try {
        removeWhere((name) => name.startsWith(prefix) || name.startsWith(`.${prefix}`));
      } catch {
        // The directory is gone, and they with it.
      }
    },
  };
}

function isAbandoned(path: string): boolean {
  const info = statSync(path, { throwIfNoEntry: false });
  return info !== undefined && Date.now() - info.mtimeMs > abandonedMs;
}

/** When a process began, in ticks since the machine's start; null where there is none, or where it has ended. */
function startTicks(pid: number): number | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    // The second field is the command in brackets and may itself hold brackets and spaces.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" || fields[0] === "X" ? null : Number(fields[19]);
  } catch {
    return null;
  }
}

/** Node's own recursive form never ends where a parent that is there takes no directory, as in /proc. */
async function makeDirectory(directory: string): Promise<void> {
  const make = async () =>
    await mkdir(directory).catch((error: unknown) => {
      if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
    });
  try {
    await make();
  } catch (error) {
    const isMissing = error instanceof Error && "code" in error && error.code === "ENOENT";
    if (!isMissing || dirname(directory) === directory) throw error;
    await makeDirectory(dirname(directory));
    await make();
  }
}

async function flush(path: string): Promise<void> {
  const handle = await open(path, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
