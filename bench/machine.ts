// The machine as a benchmark sees it: what it is, and how much of it others use. Linux only; elsewhere the load of
// others is unknown and says so.

import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { availableParallelism, cpus, loadavg, release, totalmem } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import type { Compute } from "@corral/contract";

/** Ticks of /proc are hundredths of a second on every Linux that Node runs on. */
const tickMs = 10;

export interface CpuTimes {
  readonly atMs: number;
  /** Of all processors together; null where it cannot be read. */
  readonly busyMs: number | null;
  /** Of the processes below the given one and those of them that ended. */
  readonly ownMs: number;
  readonly targetMs: number;
}

/** `root` is the process whose descendants count as ours, `target` the root of the one that is measured. */
export function readCpuTimes(root: number, target: number): CpuTimes {
  const processes = readProcesses();
  return {
    atMs: performance.now(),
    busyMs: readBusyMs(),
    ownMs: cpuOfTree(processes, root),
    targetMs: cpuOfTree(processes, target),
  };
}

export interface CpuUse {
  /** Processors' worth of time that others took; null: unknown. */
  readonly foreignCores: number | null;
  readonly targetCpuMs: number;
}

export function cpuUseBetween(before: CpuTimes, after: CpuTimes): CpuUse {
  const targetCpuMs = after.targetMs - before.targetMs;
  if (before.busyMs === null || after.busyMs === null) return { foreignCores: null, targetCpuMs };
  const foreignMs = after.busyMs - before.busyMs - (after.ownMs - before.ownMs);
  // Both are counted in ticks, so a little less than nothing is nothing.
  const cores = Math.max(0, foreignMs / (after.atMs - before.atMs));
  return { foreignCores: Math.round(cores * 1_000) / 1_000, targetCpuMs };
}

const quietSampleMs = 500;
const quietWaitMs = 60_000;

/** Waits until others take no more than this, but not for ever. */
export async function untilQuiet(maxForeignCores: number): Promise<void> {
  const read = () => readCpuTimes(process.pid, process.pid);
  const deadline = performance.now() + quietWaitMs;
  for (let before = read(); performance.now() < deadline;) {
    await sleep(quietSampleMs);
    const after = read();
    if ((cpuUseBetween(before, after).foreignCores ?? 0) <= maxForeignCores) return;
    before = after;
  }
}

/** Resident memory of the processes that `root` started, without its own; 0 where it cannot be read. */
export function readMemoryBelow(root: number): number {
  let bytes = 0;
  for (const [pid, { parent }] of readProcesses()) {
    if (parent !== root) continue;
    try {
      bytes += parseResidentBytes(readFileSync(`/proc/${pid}/status`, "utf8"));
    } catch {
      // It ended in between.
    }
  }
  return bytes;
}

/** Of /proc/PID/status, which counts in KiB. Source: proc(5). */
export function parseResidentBytes(status: string): number {
  return 1024 * Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0);
}

export interface ProcessTimes {
  readonly parent: number;
  /** With its ended children's. */
  readonly cpuMs: number;
}

export function cpuOfTree(processes: ReadonlyMap<number, ProcessTimes>, root: number): number {
  let sum = 0;
  for (const [pid, { cpuMs }] of processes) {
    let ancestor: number | undefined = pid;
    while (ancestor !== undefined && ancestor !== root) ancestor = processes.get(ancestor)?.parent;
    if (ancestor === root) sum += cpuMs;
  }
  return sum;
}

function readProcesses(): Map<number, ProcessTimes> {
  const processes = new Map<number, ProcessTimes>();
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      processes.set(Number(name), parseProcessTimes(readFileSync(`/proc/${name}/stat`, "utf8")));
    } catch {
      // It ended in between.
    }
  }
  return processes;
}

/** A line of /proc/PID/stat: the name, in parentheses, may hold anything. Source: proc(5). */
export function parseProcessTimes(line: string): ProcessTimes {
  const fields = line
    .slice(line.lastIndexOf(")") + 2)
    .split(" ")
    .map(Number);
  const ticks = [11, 12, 13, 14].reduce((sum, index) => sum + (fields[index] ?? 0), 0);
  return { parent: fields[1] ?? 0, cpuMs: ticks * tickMs };
}

function readBusyMs(): number | null {
  try {
    return parseBusyMs(readFileSync("/proc/stat", "utf8"));
  } catch {
    return null;
  }
}

/** All but idle and waiting for I/O; guests are counted in user already, and stolen time was somebody's. */
export function parseBusyMs(stat: string): number {
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = (stat.split("\n", 1)[0] ?? "")
    .split(/\s+/)
    .slice(1)
    .map(Number);
  return (user + nice + system + irq + softirq + steal) * tickMs;
}

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memory_bytes: number;
  readonly system: string;
  readonly load_before: readonly number[];
}

export function describeMachine(): Machine {
  return {
    cpu: cpus()[0]?.model ?? "unknown",
    cores: availableParallelism(),
    memory_bytes: totalmem(),
    system: `${process.platform} ${process.arch} ${release()}`,
    load_before: loadavg(),
  };
}

/** What a replica found to compute with, in one line; null where none of ours was measured. */
export function describeCompute(compute: Compute | null): string {
  if (compute === null) return "as the server chose";
  const { backend, libraries, devices, gpu_layers: gpuLayers, layer_count: layerCount } = compute;
  const names = devices.map(({ name, description }) => `${name} ${description}`).join("; ");
  const share = backend === "cpu" ? "" : `, ${gpuLayers} of ${layerCount} layers`;
  return `${backend}, ${names}${share}${libraries === "own" ? ", libraries compiled for this machine" : ""}`;
}

/** The commit that is measured, and whether files differ from it. */
export function describeCommit(
  directory: string,
): { readonly commit: string; readonly dirty: boolean } | null {
  try {
    const git = (...words: string[]) =>
      execFileSync("git", words, { cwd: directory, encoding: "utf8" }).trim();
    return { commit: git("rev-parse", "HEAD"), dirty: git("status", "--porcelain") !== "" };
  } catch {
    return null;
  }
}
