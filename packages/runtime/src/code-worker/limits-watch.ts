// Looks again and again at what a worker's processes take together: memory, processes, and room on the disk that they
// write to. What the kernel bounds for one process only, or not at all for some users. Linux only; elsewhere it sees
// nothing.

import { spawn } from "node:child_process";
import { statfsSync } from "node:fs";
import { ownMemoryBytes, processTree } from "./process-tree.ts";

export interface WatchedLimits {
  /** Of all processes together; null: no limit. */
  readonly memoryBytes: number | null;
  /** Of all that run at a time. */
  readonly processes: number;
  /** Absent: nobody looks at the disk. */
  readonly disk?: DiskLimit;
}

export interface DiskLimit {
  /** Where the code's files are written; all in it is removed when the limit is passed. */
  readonly directory: string;
  /** So much of the disk stays free; else a directory that holds more than `innocentBytes` is to blame. */
  readonly freeBytes: number;
  readonly innocentBytes: number;
}

export interface LimitsWatch {
  /** Of memory, as of a moment ago. */
  readonly bytes: number;
  stop(): void;
}

const watchMs = 250;
/** Children appear seldom, and finding them means reading all of /proc. */
const rareEvery = 8;

/** `onExceeded` is told a sentence, perhaps again and again. */
export function watchLimits(
  pid: number,
  limits: WatchedLimits,
  path: string,
  onExceeded: (reason: string) => void,
): LimitsWatch {
  const { memoryBytes, processes, disk } = limits;
  let turn = 0;
  let members: readonly number[] = [pid];
  let bytes = 0;
  let isMeasuring = false;
  let isStopped = false;
  const look = () => {
    turn += 1;
    if (turn % rareEvery === 1) {
      members = processTree(pid);
      if (members.length > processes) onExceeded(`It ran more than ${processes} processes at a time.`);
      if (disk !== undefined && !isMeasuring && freeBytes(disk.directory) < disk.freeBytes)
        void blameForDisk(disk);
    }
    bytes = ownMemoryBytes(members);
    if (memoryBytes === null || bytes <= memoryBytes || ownMemoryBytes(members, true) <= memoryBytes) return;
    onExceeded(`It took more than its ${memoryBytes} bytes of memory.`);
  };
  const timer = process.platform === "linux" ? setInterval(look, watchMs).unref() : undefined;

  async function blameForDisk({ directory, freeBytes: free, innocentBytes }: DiskLimit): Promise<void> {
    isMeasuring = true;
    const usedBytes = await directoryBytes(directory, path);
    isMeasuring = false;
    if (isStopped || usedBytes <= innocentBytes) return;
    onExceeded(`Its ${usedBytes} bytes of temporary files left less than ${free} bytes of the disk free.`);
    emptyDirectory(directory, path);
  }

  return {
    get bytes() {
      return bytes;
    },
    stop() {
      isStopped = true;
      clearInterval(timer);
    },
  };
}

function freeBytes(directory: string): number {
  try {
    const { bavail, bsize } = statfsSync(directory);
    return bavail * bsize;
  } catch {
    // It is being removed.
    return Infinity;
  }
}

/** Another process walks the directory: it may hold very many files, and the replica's one pool thread is the model's. */
function directoryBytes(directory: string, path: string): Promise<number> {
  return new Promise((resolve) => {
    const child = spawn("du", ["-skx", directory], {
      env: { PATH: path },
      stdio: ["ignore", "pipe", "ignore"],
    });
    let text = "";
    child.stdout.on("data", (piece: Buffer) => (text += piece.toString()));
    child.once("error", () => resolve(0));
    child.once("close", () => resolve(Number.parseInt(text, 10) * 1024 || 0));
  });
}

/** What cannot be removed now is removed with the directory. */
function emptyDirectory(directory: string, path: string): void {
  const args = [directory, "-xdev", "-mindepth", "1", "-delete"];
  spawn("find", args, { env: { PATH: path }, stdio: "ignore" }).on("error", () => {});
}
