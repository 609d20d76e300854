// How a Python model's worker is started: which program, and what Python itself needs in the environment.

import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import type { WorkerProgram } from "../worker-process.ts";

const host = fileURLToPath(new URL("./host.py", import.meta.url));

export interface PythonProgramOptions {
  /** What else the code must see. */
  readonly directories?: readonly string[];
  /** "cuda" is taken for the processor. */
  readonly cudaOnCpu?: boolean;
  /** Repositories of the hub are in the code's cache. */
  readonly hasCache?: boolean;
}

/** `python` is that of the model's environment: its packages are found by where it lies. */
export function pythonProgram(
  python: string,
  own: Readonly<Record<string, string | undefined>>,
  { directories = [], cudaOnCpu = false, hasCache = false }: PythonProgramOptions = {},
): WorkerProgram {
  const endpoint = own["HF_ENDPOINT"];
  return {
    program: python,
    directories: [dirname(dirname(python)), ...directories],
    // Without the packages of whoever runs the platform.
    args: ["-s", host, ...(cudaOnCpu ? ["--cuda-on-cpu"] : [])],
    environment: {
      PATH: `${dirname(python)}:${own["PATH"] ?? "/usr/local/bin:/usr/bin:/bin"}`,
      // For tools that the code starts: they install and look where this environment is.
      VIRTUAL_ENV: dirname(dirname(python)),
      // A version never changes, its directory included.
      PYTHONDONTWRITEBYTECODE: "1",
      PYTHONUTF8: "1",
      // Where a native library crashes, the log says in which call.
      PYTHONFAULTHANDLER: "1",
      // The operator's mirror; no token goes with it.
      ...(endpoint === undefined || endpoint === "" ? {} : { HF_ENDPOINT: endpoint }),
      // What the config names is there: the hub would only be asked with a token that the code may not have.
      ...(hasCache ? { HF_HUB_OFFLINE: "1", TRANSFORMERS_OFFLINE: "1" } : {}),
    },
  };
}
