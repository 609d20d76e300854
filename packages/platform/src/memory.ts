// What models may take of this machine's memory, as the system tells it now.

import { readFileSync } from "node:fs";
import { processorOf, readFreeMemory, type FitMachine } from "@corral/weights";

export interface MemorySettings {
  /** Of memory that all models together may take. */
  readonly capBytes: number;
  /** Whether a model that needs more may still be loaded, as GPUs may hold it. */
  readonly mayExceed: boolean;
}

/**
 * Null where GPUs may hold a model. What replicas of this process hold counts as free, as they can be unloaded. Without
 * what Linux tells, the cap is what there is.
 */
export function readModelMemory({ capBytes, mayExceed }: MemorySettings): FitMachine | null {
  if (mayExceed) return null;
  const free = readFreeMemory(readText);
  const freeBytes = free === null ? capBytes : Math.min(capBytes, free + heldByReplicas());
  return { freeBytes, processor: processorOf(process.arch, readText("/proc/cpuinfo")) };
}

/** Private memory of the children that run models; their files are free anyway. */
function heldByReplicas(): number {
  let held = 0;
  for (const pid of (readText(`/proc/self/task/${process.pid}/children`) ?? "").split(" ")) {
    if (!/^\d+$/.test(pid)) continue;
    const command = readText(`/proc/${pid}/cmdline`) ?? "";
    if (!command.includes("runtime/src/main.ts")) continue;
    const anonymous = /^RssAnon:\s+(\d+) kB$/m.exec(readText(`/proc/${pid}/status`) ?? "")?.[1];
    held += Number(anonymous ?? 0) * 1024;
  }
  return held;
}

function readText(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null;
  }
}
