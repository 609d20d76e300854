// How a Python model's worker is started: which program, and what Python itself needs in the environment.

import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import type { WorkerProgram } from "../worker-process.ts";

const host = fileURLToPath(new URL("./host.py", import.meta.url));

/**
 * `python` is that of the model's environment: its packages are found by where it lies. `directories` are what else the
 * code must see.
 */
export function pythonProgram(
  python: string,
  own: Readonly<Record<string, string | undefined>>,
  directories: readonly string[] = [],
): WorkerProgram {
  return {
    program: python,
    directories: [dirname(dirname(python)), ...directories],
    // Without the packages of whoever runs the platform.
    args: ["-s", host],
    environment: {
      PATH: `${dirname(python)}:${own["PATH"] ?? "/usr/local/bin:/usr/bin:/bin"}`,
      // For tools that the code starts: they install and look where this environment is.
      VIRTUAL_ENV: dirname(dirname(python)),
      // A version never changes, its directory included.
      PYTHONDONTWRITEBYTECODE: "1",
      PYTHONUTF8: "1",
      // Where a native library crashes, the log says in which call.
      PYTHONFAULTHANDLER: "1",
    },
  };
}
