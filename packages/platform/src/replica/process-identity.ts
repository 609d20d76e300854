// Names one process for ever: its pid together with its start time. A pid alone may belong to a stranger by the
// time it is looked at again.

import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

/** When the process began, in the words of the operating system; null where there is no such process. */
export function processStartTime(pid: number): string | null {
  if (process.platform === "linux") {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
      // The second field is the command in brackets and may itself hold brackets and spaces.
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      const [state, startTicks] = [fields[0], fields[19]];
      return state === "Z" || startTicks === undefined ? null : `${bootId()}/${startTicks}`;
    } catch {
      return null;
    }
  }
  try {
    const text = execFileSync("ps", ["-o", "lstart=", "-p", String(pid)], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    });
    return text.trim() === "" ? null : text.trim();
  } catch {
    return null;
  }
}

/** Ticks count from the start of the machine, so that start is part of the name. */
function bootId(): string {
  try {
    return readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim();
  } catch {
    return "";
  }
}

export function isSameProcess(pid: number, startTime: string): boolean {
  return processStartTime(pid) === startTime;
}

/** Kills the process if it is still the one that was recorded, and waits until it is gone. */
export async function killRecordedProcess(pid: number, startTime: string): Promise<void> {
  if (!isSameProcess(pid, startTime)) return;
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    return;
  }
  for (let attempt = 0; attempt < 100 && isSameProcess(pid, startTime); attempt += 1) await sleep(20);
}
