// What the operating system says of processors: how many this process may use, and how busy others keep them; and what
// memory is free.
// Every read is synchronous: nothing here may wait behind a decode in libuv's pool.

import { openSync, readFileSync, readSync, closeSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { processorOf, readFreeMemory, type FitMachine } from "@corral/weights";
import type { Machine } from "./thread-count.ts";

export function readMachine(): Machine {
  return {
    processorCount: availableParallelism(),
    cpuQuota: readCpuQuota((path) => readText(path)),
    sharesCores: readText("/sys/devices/system/cpu/smt/active") === "1",
  };
}

/** What a model that is loaded now may take, and how it would lie in memory. */
export function readFitMachine(): FitMachine {
  return { freeBytes: freeMemoryBytes(), processor: processorOf(process.arch, readText("/proc/cpuinfo")) };
}

export function freeMemoryBytes(): number {
  return readFreeMemory(readText) ?? process.availableMemory();
}

/**
 * The tightest quota of this process's control group and of those around it, in CPUs; null: none. `read` gives a
 * file's text or null. Version 2 has `cpu.max` ("150000 100000", quota and period in µs, or "max 100000"), version 1
 * two files. In a container the group's path is often the host's and leads nowhere; then the mount's root is the group.
 */
export function readCpuQuota(read: (path: string) => string | null): number | null {
  const quotas: number[] = [];
  for (const line of (read("/proc/self/cgroup") ?? "0::/").split("\n")) {
    const [, controllers = "", path = "/"] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    const isUnified = controllers === "";
    if (!isUnified && !controllers.split(",").includes("cpu")) continue;
    const roots = isUnified
      ? ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"]
      : [`/sys/fs/cgroup/${controllers}`, "/sys/fs/cgroup/cpu"];
    for (const directory of roots.flatMap((root) => withAncestors(root, path))) {
      const [quota, period] = isUnified
        ? (read(join(directory, "cpu.max")) ?? "").split(" ").map(Number)
        : [read(join(directory, "cpu.cfs_quota_us")), read(join(directory, "cpu.cfs_period_us"))].map(Number);
      if (quota !== undefined && period !== undefined && quota > 0 && period > 0) quotas.push(quota / period);
    }
  }
  return quotas.length === 0 ? null : Math.min(...quotas);
}

/** `root`/a/b, `root`/a and `root`. */
function withAncestors(root: string, path: string): string[] {
  const parts = path.split("/").filter((part) => part !== "" && part !== "..");
  return parts.map((_, index) => join(root, ...parts.slice(0, parts.length - index))).concat(root);
}

/** Gives the cores that other processes used since the last call, of those this one may use; 0 where nobody can tell. */
export interface ForeignLoadMeter extends Disposable {
  read(): number;
}

export function createForeignLoadMeter(): ForeignLoadMeter {
  let file: number;
  try {
    file = openSync("/proc/stat", "r");
  } catch {
    return { read: () => 0, [Symbol.dispose]: () => {} };
  }
  const buffer = Buffer.alloc(64 * 1024);
  const allowed = allowedProcessors(readText("/proc/self/status") ?? "");
  const sample = () => ({
    times: readProcessorTimes(
      buffer.toString("latin1", 0, readSync(file, buffer, 0, buffer.length, 0)),
      allowed,
    ),
    ownMs: ownCpuMs(),
  });
  let last = sample();
  return {
    read() {
      const next = sample();
      const ticks = next.times.total - last.times.total;
      if (ticks <= 0) return 0;
      // All processors tick alike, so ticks give the time that passed, whatever the length of a tick.
      const elapsedMs = (ticks / next.times.processorCount) * tickMs;
      const used = (next.times.busy - last.times.busy) / (ticks / next.times.processorCount);
      const own = (next.ownMs - last.ownMs) / elapsedMs;
      last = next;
      return Math.max(0, used - own);
    },
    [Symbol.dispose]: () => closeSync(file),
  };
}

/** `USER_HZ`, which is 100 on every Linux that Node runs on. */
const tickMs = 10;

function ownCpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

export interface ProcessorTimes {
  readonly processorCount: number;
  /** Ticks of all processors, and those in which they were not idle. */
  readonly total: number;
  readonly busy: number;
}

/** Sums the lines of `/proc/stat` whose processor is in `allowed`; null: of all. */
export function readProcessorTimes(text: string, allowed: ReadonlySet<number> | null): ProcessorTimes {
  let [processorCount, total, busy] = [0, 0, 0];
  for (const [, processor, fields = ""] of text.matchAll(/^cpu(\d+) (.*)$/gm)) {
    if (allowed !== null && !allowed.has(Number(processor))) continue;
    // user nice system idle iowait irq softirq steal; what follows is counted in user and nice already.
    const ticks = fields.split(" ", 8).map(Number);
    const sum = ticks.reduce((all, value) => all + value, 0);
    processorCount += 1;
    total += sum;
    busy += sum - (ticks[3] ?? 0) - (ticks[4] ?? 0);
  }
  return { processorCount, total, busy };
}

/** `Cpus_allowed_list: 0-3,8` of `/proc/self/status`; null where it is missing. */
export function allowedProcessors(status: string): ReadonlySet<number> | null {
  const list = /^Cpus_allowed_list:\s*(\S+)$/m.exec(status)?.[1];
  if (list === undefined) return null;
  return new Set(
    list.split(",").flatMap((range) => {
      const [first = 0, last = first] = range.split("-").map(Number);
      return Array.from({ length: last - first + 1 }, (_, index) => first + index);
    }),
  );
}

function readText(path: string): string | null {
  try {
    return readFileSync(path, "utf8").trim();
  } catch {
    return null;
  }
}
