// Amounts as Truss writes them: cores (`500m`), memory (`2Gi`), accelerators (`H100:8`). Pure.
// Source: truss 0.18.35, truss_config.py, Resources and AcceleratorSpec.

import type { Accelerator } from "./truss-settings.ts";

const memoryUnits: Readonly<Record<string, number>> = {
  "": 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
  Ei: 2 ** 60,
};
/** Bytes; no language runs in less. */
const leastMemory = 64 * 2 ** 20;
const number = String.raw`\d+\.?\d*|\.\d+`;
const memoryPattern = new RegExp(`^(${number})([a-zA-Z]*)$`);
const cpuPattern = new RegExp(`^(${number})(m?)$`);

export function memoryProblem(memory: string): string | null {
  const unit = memoryPattern.exec(memory)?.[2];
  if (unit === undefined || !Object.hasOwn(memoryUnits, unit)) {
    const units = Object.keys(memoryUnits).filter((word) => word !== "");
    return `must be a number with a unit such as 2Gi (units: ${units.join(", ")})`;
  }
  const bytes = memoryBytes(memory);
  if (bytes < leastMemory) return "must be at least 64Mi; a number without a unit is bytes, so 4 GiB is 4Gi";
  return Number.isSafeInteger(bytes) ? null : "must be below 8Pi";
}

/** Whole bytes, rounded up; `memory` was checked by `memoryProblem`. */
export function memoryBytes(memory: string): number {
  const [, amount = "0", unit = ""] = memoryPattern.exec(memory) ?? [];
  return Math.ceil(Number(amount) * (memoryUnits[unit] ?? 1));
}

export function cpuProblem(cpu: string): string | null {
  return cpuPattern.test(cpu) ? null : "must be a number of cores such as 2, or of thousandths such as 500m";
}

/** Cores, of which there may be parts; `cpu` was checked by `cpuProblem`. */
export function cpuCount(cpu: string): number {
  const [, amount = "0", milli = ""] = cpuPattern.exec(cpu) ?? [];
  return milli === "m" ? Number(amount) / 1000 : Number(amount);
}

/** `NAME` or `NAME:COUNT`. `problem` is a sentence without its subject, and null where all is well. */
export function parseAccelerator(
  text: string,
  known: readonly string[],
): { readonly accelerator: Accelerator | null; readonly problem: string | null } {
  const [name = "", count = "1", ...rest] = text.trim().split(":");
  if (!known.includes(name)) {
    return {
      accelerator: null,
      problem: `must be one of ${known.join(", ")}, with a count behind a colon if wanted`,
    };
  }
  if (rest.length > 0 || !/^[1-9]\d{0,3}$/.test(count)) {
    return { accelerator: null, problem: "must have a count of at least 1 behind the colon, such as L4:4" };
  }
  return { accelerator: { name, count: Number(count) }, problem: null };
}
