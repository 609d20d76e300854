// How the process of TypeScript code is started.

import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { WorkerProgram } from "../worker-process.ts";

const main = fileURLToPath(new URL("main.ts", import.meta.url));
const mebibyte = 1024 ** 2;

export interface TypeScriptProgramOptions {
  /** Of the process; null: no limit. */
  readonly memoryBytes: number | null;
  /** Absolute; a directory with the bundle's packages in `node_modules`; default: it asks for none. */
  readonly packages?: string | null;
  /** The worker's home, in which compiled modules are kept for the next worker: most of a start is compiling. */
  readonly scratchDirectory?: string;
}

export function typescriptProgram(options: TypeScriptProgramOptions): WorkerProgram {
  const { memoryBytes, packages = null, scratchDirectory } = options;
  // A heap at its limit ends with a message that says so, which being killed from outside does not.
  const heap =
    memoryBytes === null ? [] : [`--max-old-space-size=${Math.max(64, Math.floor(memoryBytes / mebibyte))}`];
  return {
    program: process.execPath,
    args: [...heap, main, ...(packages === null ? [] : [packages])],
    environment:
      scratchDirectory === undefined ? {} : { NODE_COMPILE_CACHE: join(scratchDirectory, ".compiled") },
    directories: [dirname(process.execPath), ...(packages === null ? [] : [packages])],
  };
}
