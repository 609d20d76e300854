// How the process of TypeScript code is started.

import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import type { WorkerProgram } from "../worker-process.ts";

const main = fileURLToPath(new URL("main.ts", import.meta.url));
const mebibyte = 1024 ** 2;

/**
 * @param memoryBytes of the process; null: no limit
 * @param packages absolute; a directory with the bundle's packages in `node_modules`
 */
export function typescriptProgram(memoryBytes: number | null, packages: string | null = null): WorkerProgram {
  // A heap at its limit ends with a message that says so, which being killed from outside does not.
  const heap =
    memoryBytes === null ? [] : [`--max-old-space-size=${Math.max(64, Math.floor(memoryBytes / mebibyte))}`];
  return {
    program: process.execPath,
    args: [...heap, main, ...(packages === null ? [] : [packages])],
    environment: {},
    directories: [dirname(process.execPath), ...(packages === null ? [] : [packages])],
  };
}
