// The processes of a Corral as the operating system tells them, for stories that kill some.

import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import type { Corral } from "./harness.ts";

export interface Process {
  readonly pid: number;
  readonly parent: number;
  readonly command: string;
}

/** Every process of this machine, from /proc. */
export async function processes(): Promise<Process[]> {
  const found = await Promise.all(
    (await readdir("/proc"))
      .filter((name) => /^\d+$/.test(name))
      .map(async (name): Promise<Process | null> => {
        try {
          const command = (await readFile(`/proc/${name}/cmdline`, "utf8")).replaceAll("\0", " ").trim();
          const stat = await readFile(`/proc/${name}/stat`, "utf8");
          const [state, parent] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
          return state === "Z" ? null : { pid: Number(name), parent: Number(parent), command };
        } catch {
          return null;
        }
      }),
  );
  return found.filter((item) => item !== null);
}

/** Children of a process, theirs and so on. */
export async function descendants(pid: number): Promise<Process[]> {
  const all = await processes();
  const inside = new Set([pid]);
  for (let grown = true; grown;) {
    grown = false;
    for (const item of all) {
      if (inside.has(item.parent) && !inside.has(item.pid)) {
        inside.add(item.pid);
        grown = true;
      }
    }
  }
  return all.filter((item) => inside.has(item.pid) && item.pid !== pid);
}

/** The first process of a Corral whose command matches. */
export async function one(corral: Corral, pattern: RegExp): Promise<Process> {
  const found = (await descendants(corral.process.pid ?? 0)).filter((item) => pattern.test(item.command));
  assert.ok(found[0], `no process matches ${pattern}`);
  return found[0];
}

export const platformProcess = /packages\/platform\/src\/main\.ts/;
export const replicaProcess = /packages\/runtime\/src\/main\.ts/;
export const postmaster = /bin\/postgres -D/;
