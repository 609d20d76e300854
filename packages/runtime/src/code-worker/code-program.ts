// The program that runs a replica's code, made ready: what its language needs is there, and a missing accelerator said.

import type { ReplicaCode } from "@corral/contract";
import { isAbsolute, join } from "node:path";
import type { Log } from "../log.ts";
import { prepareNodePackages } from "../node-packages/prepare-packages.ts";
import { acceleratorWarning, countGpus } from "./accelerator.ts";
import { preparePythonProgram } from "./python/prepare-program.ts";
import { serverProgram } from "./server/program.ts";
import { typescriptProgram } from "./typescript/program.ts";
import { ownersHome } from "./code-source.ts";
import type { NoteUsed } from "./used-places.ts";
import type { WorkerProgram } from "./worker-process.ts";

export interface ProgramPlace {
  /** The replica's environment. */
  readonly own: Readonly<Record<string, string | undefined>>;
  /** The code's home, removed with the replica. */
  readonly scratchDirectory: string;
  readonly log: Log;
  readonly noteUsed: NoteUsed;
  /** Gives up what takes long. */
  readonly signal: AbortSignal;
}

/** Fails with `device_missing` for an accelerator that must be there, and as the program of the language does. */
export async function prepareProgram(code: ReplicaCode, place: ProgramPlace): Promise<WorkerProgram> {
  const { scratchDirectory, log } = place;
  const gpuCount = countGpus();
  const warning = code.accelerator === undefined ? null : acceleratorWarning(code.accelerator, gpuCount);
  if (warning !== null) log.warn(warning);
  switch (code.kind) {
    case "typescript":
      return typescriptProgram({
        memoryBytes: code.limits.memory_bytes,
        packages: await packagesOf(code, place),
        scratchDirectory,
      });
    case "server": {
      const { server, directory, secrets } = code;
      if (server === undefined) throw new TypeError("A server comes without its command.");
      const python = code.python === undefined ? null : await pythonOf(code, place, gpuCount);
      const startCommand = server.start_command;
      return serverProgram({ startCommand, directory, scratchDirectory, python, secrets });
    }
    case "python":
      return await pythonOf(code, place, gpuCount);
  }
}

async function pythonOf(
  code: ReplicaCode,
  { own, scratchDirectory, log, noteUsed, signal }: ProgramPlace,
  gpuCount: number,
): Promise<WorkerProgram> {
  const { python, directory, data_directory: data } = code;
  if (python === undefined) throw new TypeError("Python code comes without what it needs.");
  const secrets = { ...code.secrets, ...python.hub_secrets };
  const dataDirectory = isAbsolute(data) ? data : join(directory, data);
  const cudaOnCpu = code.accelerator !== undefined && gpuCount === 0;
  const hidden = [...code.hidden_directories, ...ownersHome()];
  const known = { directory, dataDirectory, scratchDirectory, secrets, cudaOnCpu, hidden };
  return await preparePythonProgram(python, { ...known, own, log, noteUsed, signal });
}

/** Where the packages of the bundle's package.json are; null: it asks for none. */
async function packagesOf(
  { directory, packages_home: home }: ReplicaCode,
  { own, log, noteUsed, signal }: ProgramPlace,
): Promise<string | null> {
  if (home === undefined) return null;
  const packages = await prepareNodePackages(directory, {
    directory: home,
    environment: own,
    onProgress: (line) => log.info(line, { from: "installation" }),
    signal,
  });
  if (packages !== null) await noteUsed(home, [packages.directory]);
  return packages?.directory ?? null;
}
