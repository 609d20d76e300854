// What a worker and all its children hold of memory, read from Linux's /proc. Every read is synchronous: files of the
// kernel answer at once, and the replica's one pool thread belongs to the model.

import { readdirSync, readFileSync } from "node:fs";

/** The process and all that descend from it; empty where it has ended or there is no /proc. */
export function processTree(root: number): readonly number[] {
  const children = new Map<number, number[]>();
  for (const pid of processIds()) {
    const parent = parentOf(pid);
    if (parent === null) continue;
    const siblings = children.get(parent);
    if (siblings === undefined) children.set(parent, [pid]);
    else siblings.push(pid);
  }
  const tree = parentOf(root) === null ? [] : [root];
  for (const pid of tree) tree.push(...(children.get(pid) ?? []));
  return tree;
}

/**
 * Bytes of memory that are the processes' own. Pages that a fork shares count for each of them, unless `exact`, which
 * takes about a millisecond for each process.
 */
export function ownMemoryBytes(pids: readonly number[], exact = false): number {
  return pids.reduce((sum, pid) => sum + (exact ? proportionalBytes(pid) : unsharedBytes(pid)), 0);
}

function unsharedBytes(pid: number): number {
  const status = read(`/proc/${pid}/status`);
  return kibibytes(status, "RssAnon") + kibibytes(status, "RssShmem");
}

function proportionalBytes(pid: number): number {
  const rollup = read(`/proc/${pid}/smaps_rollup`);
  return kibibytes(rollup, "Pss_Anon") + kibibytes(rollup, "Pss_Shmem");
}

function kibibytes(text: string, name: string): number {
  const found = new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(text);
  return Number(found?.[1] ?? 0) * 1024;
}

function processIds(): readonly number[] {
  try {
    return readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name))
      .map(Number);
  } catch {
    return [];
  }
}

function parentOf(pid: number): number | null {
  const stat = read(`/proc/${pid}/stat`);
  // The second field is the command in brackets and may itself hold brackets and spaces.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields[1] === undefined ? null : Number(fields[1]);
}

function read(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return "";
  }
}
