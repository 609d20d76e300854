// Finds processes that outlive the tests which started them. Linux only: elsewhere nothing is seen and nothing fails.

import { readFileSync, readdirSync, readlinkSync } from "node:fs";

export interface ProcessInfo {
  readonly pid: number;
  readonly parent: number;
  /** Clock ticks since boot: tells a process from a later one with the same id. */
  readonly started: string;
  readonly command: string;
}

/** Every live process, or an empty list where there is no /proc. Zombies are not counted. */
export function listProcesses(): ProcessInfo[] {
  let names: string[];
  try {
    names = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  } catch {
    return [];
  }
  return names.map((name) => readProcess(Number(name))).filter((found) => found !== null);
}

function readProcess(pid: number): ProcessInfo | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    if (fields[0] === "Z" || fields[0] === "X") return null;
    const command = readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim();
    return { pid, parent: Number(fields[1]), started: fields[19] ?? "", command };
  } catch {
    return null;
  }
}

/**
 * Watches this process's descendants while tests run. A process counts as left over when it was seen as a descendant
 * once, or carries `marker` (a directory name of this test run) in its environment, command line or working directory.
 * What ran before, and what that starts, is none of the tests'.
 */
export class LeftoverWatch {
  readonly #marker: string;
  readonly #seen = new Map<string, ProcessInfo>();
  readonly #before: readonly number[];
  readonly #timer: NodeJS.Timeout;

  constructor(marker: string, intervalMs = 400) {
    this.#marker = marker;
    this.#before = descendants(listProcesses(), process.pid).map(({ pid }) => pid);
    this.#timer = setInterval(() => this.#look(), intervalMs);
    this.#timer.unref();
  }

  /** The processes still alive, after at most `graceMs` in which they may end by themselves. */
  async finish(graceMs: number): Promise<ProcessInfo[]> {
    clearInterval(this.#timer);
    const end = Date.now() + graceMs;
    for (;;) {
      const left = this.#left();
      if (left.length === 0 || Date.now() > end) return left;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }

  #look(): void {
    const live = listProcesses();
    const ignored = this.#ignored(live);
    for (const found of descendants(live, process.pid))
      if (!ignored.has(found.pid)) this.#seen.set(key(found), found);
  }

  #left(): ProcessInfo[] {
    const live = listProcesses();
    const ignored = this.#ignored(live);
    const below = new Set(descendants(live, process.pid).map(key));
    return live.filter(
      (found) =>
        found.pid !== process.pid &&
        !ignored.has(found.pid) &&
        (below.has(key(found)) || this.#seen.has(key(found)) || this.#carriesMarker(found)),
    );
  }

  #ignored(live: readonly ProcessInfo[]): ReadonlySet<number> {
    return new Set([
      ...this.#before,
      ...this.#before.flatMap((pid) => descendants(live, pid).map((found) => found.pid)),
    ]);
  }

  #carriesMarker(found: ProcessInfo): boolean {
    if (found.command.includes(this.#marker)) return true;
    try {
      if (readlinkSync(`/proc/${found.pid}/cwd`).includes(this.#marker)) return true;
      return readFileSync(`/proc/${found.pid}/environ`, "utf8").includes(this.#marker);
    } catch {
      return false;
    }
  }
}

function key(found: ProcessInfo): string {
  return `${found.pid} ${found.started}`;
}

function descendants(all: readonly ProcessInfo[], root: number): ProcessInfo[] {
  const below = new Set([root]);
  const result: ProcessInfo[] = [];
  // A parent may stand after its child in the list: repeat until nothing is new.
  for (let grew = true; grew;) {
    grew = false;
    for (const found of all) {
      if (below.has(found.pid) || !below.has(found.parent)) continue;
      below.add(found.pid);
      result.push(found);
      grew = true;
    }
  }
  return result;
}
