// The memory that models may take where nobody said how much.

import { existsSync } from "node:fs";
import { totalmem } from "node:os";
import type { DeviceChoice } from "@corral/contract";

/** Whether a GPU may hold models, whose memory is not known here. */
export function mayHaveGpu(device: DeviceChoice): boolean {
  if (device === "cpu") return false;
  return device !== "auto" || ["/dev/nvidiactl", "/dev/kfd", "/dev/dri"].some((path) => existsSync(path));
}

/** What the system, the database and the platform need beside the models. */
const leastMarginBytes = 768 * 1024 * 1024;

/** Of the machine's memory, or of this process' control group where that has less. */
export function defaultMemoryCap(): number {
  return memoryCapOf(totalmem(), process.constrainedMemory());
}

/**
 * Nine tenths, and at least 768 MiB less than all; but never less than half.
 * @param limitBytes of the control group; 0: it has none
 */
export function memoryCapOf(machineBytes: number, limitBytes: number): number {
  const bytes = limitBytes > 0 ? Math.min(machineBytes, limitBytes) : machineBytes;
  return Math.floor(Math.max(bytes / 2, Math.min(bytes * 0.9, bytes - leastMarginBytes)));
}
