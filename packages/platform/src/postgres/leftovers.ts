// Processes and files that an earlier life left in a data directory: a postmaster whose supervisor was killed,
// backends whose postmaster was, pid files of both. Called only with the directory's lock held, so that
// whatever is found belongs to no living supervisor.

import { readdir, readFile, readlink, rm } from "node:fs/promises";
import { basename, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { ServingError } from "@corral/contract";
import { run } from "./command.ts";
import type { Layout } from "./layout.ts";

const quitForMs = 5_000;
const killForMs = 5_000;

/**
 * Ends what still runs in the directory, then removes the pid files. A pid alone proves nothing, since numbers
 * are used again (PostgreSQL itself takes any living process of its user for a postmaster): a process is ours
 * when its program is postgres or initdb and its working directory is in the data directory.
 */
export async function clearLeftovers(layout: Layout, onLog: (line: string) => void): Promise<void> {
  let pids = await processesIn(layout);
  if (pids.length > 0) {
    onLog(`postgres: ending what an earlier start left running (${pids.join(", ")})`);
    // SIGQUIT is PostgreSQL's immediate shutdown: nothing is written, the log is replayed at the next start.
    pids = await endAll(layout, pids, "SIGQUIT", quitForMs);
    if (pids.length > 0) pids = await endAll(layout, pids, "SIGKILL", killForMs);
    if (pids.length > 0) {
      const detail = `Processes of an earlier start do not end (${pids.join(", ")}); ${layout.data} cannot be used until they do.`;
      throw new ServingError("database_unavailable", detail);
    }
  }
  await rm(layout.pidFile, { force: true });
  for (const file of layout.socketFiles) await rm(file, { force: true });
}

async function endAll(
  layout: Layout,
  pids: readonly number[],
  signal: NodeJS.Signals,
  waitMs: number,
): Promise<number[]> {
  for (const pid of pids) signalProcess(pid, signal);
  const giveUpAt = performance.now() + waitMs;
  for (;;) {
    const left = await processesIn(layout);
    if (left.length === 0 || performance.now() > giveUpAt) return left;
    await sleep(10);
  }
}

/** A process that has just ended is no error. */
export function signalProcess(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // Gone, or not ours: the one who waits sees which.
  }
}

async function processesIn(layout: Layout): Promise<number[]> {
  return process.platform === "linux" ? fromProc(layout.root) : fromPidFile(layout);
}

async function fromProc(root: string): Promise<number[]> {
  const names = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const found = await Promise.all(
    names.map(async (name) => {
      const directory = await readlink(`/proc/${name}/cwd`).catch(() => "");
      if (directory !== root && !directory.startsWith(`${root}/`)) return [];
      const program = await readlink(`/proc/${name}/exe`).catch(() => "");
      const ours = ["postgres", "initdb"].includes(basename(program.replace(/ \(deleted\)$/, "")));
      return ours ? [Number(name)] : [];
    }),
  );
  return found.flat();
}

/** Without /proc: the postmaster alone, by its command line; its backends end with it. */
async function fromPidFile({ pidFile, data }: Layout): Promise<number[]> {
  const pid = Number.parseInt(await readFile(pidFile, "utf8").catch(() => ""), 10);
  if (Number.isNaN(pid)) return [];
  const { output } = await run("ps", ["-o", "command=", "-p", String(pid)]);
  return output.includes("postgres") && output.includes(join(data)) ? [pid] : [];
}
