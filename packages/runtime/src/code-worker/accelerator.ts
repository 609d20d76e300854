// Whether the accelerator that code asks for is on this machine. Truss's names of GPUs are NVIDIA's; which GPU it is
// does not matter here: code that needs a certain one says so itself.

import { ServingError } from "@corral/contract";
import { readdirSync } from "node:fs";

export interface AcceleratorWish {
  /** As in config.yaml: `A100`. */
  readonly name: string;
  readonly count: number;
  /** Refuse instead of running on the processor. */
  readonly strict: boolean;
}

/** NVIDIA's GPUs that programs may open; none on another system. */
export function countGpus(deviceDirectory = "/dev"): number {
  try {
    return readdirSync(deviceDirectory).filter((name) => /^nvidia\d+$/.test(name)).length;
  } catch {
    return 0;
  }
}

/** A sentence for the author where there are fewer GPUs than asked for. Fails with `device_missing` where it matters. */
export function acceleratorWarning(
  { name, count, strict }: AcceleratorWish,
  gpuCount: number,
): string | null {
  if (gpuCount >= count) return null;
  const wanted = count === 1 ? name : `${count} × ${name}`;
  const found = gpuCount === 0 ? "no NVIDIA GPU" : `${gpuCount} NVIDIA GPU${gpuCount === 1 ? "" : "s"}`;
  if (strict) {
    throw new ServingError(
      "device_missing",
      `resources.accelerator asks for ${wanted}, and this machine has ${found}. Remove strict_resources to run without, or deploy where the GPU is.`,
    );
  }
  const how = gpuCount === 0 ? "on the processor" : "with those";
  return `resources.accelerator asks for ${wanted}, and this machine has ${found}: the code runs ${how}.`;
}
