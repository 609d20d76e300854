// Which process this is, in words that another process of the same machine can check, also after a `kill -9` and after
// its number was given to someone else.

import { createHash } from "node:crypto";
import { readFileSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";

export interface OwnerMark {
  readonly pid: number;
  /** When the process started, in the kernel's ticks; null where the system does not tell. */
  readonly started: string | null;
  /** Machine, boot and process namespace: the same number elsewhere is another process. */
  readonly place: string;
}

export type Liveness = "alive" | "dead" | "unknown";

export function ownMark(): OwnerMark {
  return { pid: process.pid, started: startOf(process.pid), place: placeOfProcesses() };
}

/** `unknown`: it runs, or ran, where this process cannot look. */
export function livenessOf(mark: OwnerMark): Liveness {
  if (mark.place !== placeOfProcesses()) return "unknown";
  try {
    process.kill(mark.pid, 0);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "EPERM")) return "dead";
  }
  const started = startOf(mark.pid);
  return started !== null && mark.started !== null && started !== mark.started ? "dead" : "alive";
}

/** Field 22 of /proc/<pid>/stat; the command before it may hold spaces and brackets. */
function startOf(pid: number): string | null {
  const text = readText(() => readFileSync(`/proc/${pid}/stat`, "utf8"));
  if (text === null) return null;
  return text.slice(text.lastIndexOf(")") + 2).split(" ")[19] ?? null;
}

/** Equal where processes can see each other by number: the same machine, boot and process namespace. 16 hex digits. */
export function placeOfProcesses(): string {
  const boot = readText(() => readFileSync("/proc/sys/kernel/random/boot_id", "utf8")) ?? "";
  const namespace = readText(() => readlinkSync("/proc/self/ns/pid")) ?? "";
  return createHash("sha256").update(`${hostname()} ${boot} ${namespace}`).digest("hex").slice(0, 16);
}

function readText(read: () => string): string | null {
  try {
    return read();
  } catch {
    return null;
  }
}
