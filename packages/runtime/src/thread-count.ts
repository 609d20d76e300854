// How many threads compute a step where the operator did not say. Reads the machine once, before the model is loaded.

import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";

export interface Machine {
  /** Processors that this process may be scheduled on. */
  readonly processorCount: number;
  /** CPUs' worth of time that the container is given; null: no quota. */
  readonly cpuQuota: number | null;
  /** Two hardware threads share a core. */
  readonly sharesCores: boolean;
}

/**
 * A model below this computes a step in about a millisecond, less than it costs threads to meet. corral-tiny-3 on two
 * busy cores: 100 tokens in 47 to 61 ms with one thread, 290 to 7,801 with two; 16 calls at once 0.7 to 1.1 s, 32 to 44.
 */
const smallModelBytes = 64 * 1024 * 1024;

/**
 * Threads of llama.cpp spin at a barrier several times per layer, so one that has to wait for its processor holds up
 * all the others: with both of two cores taken by others, two threads gave 1.3 tokens/s instead of 43, one thread 19
 * (measured on a shared two-core machine). Hence: one per physical core, never more than the quota, one left for the event loop
 * and the platform where there are more than two, and a single one for a model so small that threads gain nothing.
 */
export function chooseThreadCount(machine: Machine, modelBytes: number): number {
  if (modelBytes < smallModelBytes) return 1;
  const cores = machine.sharesCores ? Math.ceil(machine.processorCount / 2) : machine.processorCount;
  const granted = Math.min(cores, Math.floor(machine.cpuQuota ?? Infinity));
  return Math.max(1, granted > 2 ? granted - 1 : granted);
}

export function readMachine(): Machine {
  return {
    processorCount: availableParallelism(),
    cpuQuota: readCpuQuota(),
    sharesCores: readText("/sys/devices/system/cpu/smt/active") === "1",
  };
}

/** cgroup v2: `max 100000` or `150000 100000`, a quota per period in microseconds. */
function readCpuQuota(): number | null {
  const [quota, period] = (readText("/sys/fs/cgroup/cpu.max") ?? "").split(" ").map(Number);
  if (quota === undefined || period === undefined || !(quota > 0) || !(period > 0)) return null;
  return quota / period;
}

function readText(path: string): string | null {
  try {
    return readFileSync(path, "utf8").trim();
  } catch {
    return null;
  }
}
