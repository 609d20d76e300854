// How the process for a bundle with docker_server is started: our worker, with the author's Python first in its path.

import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import type { WorkerProgram } from "../worker-process.ts";
import { typescriptProgram } from "../typescript/program.ts";

/** What the worker loads as the model. */
export const serverModel = fileURLToPath(new URL("model.ts", import.meta.url));

/** Where the files of a Truss lie in its image, as start commands name them. */
const imageDirectory = "/app";

export interface ServerProgramOptions {
  readonly startCommand: string;
  /** Absolute; the bundle's files. */
  readonly directory: string;
  readonly scratchDirectory: string;
  /** With the packages of the bundle's requirements; null: it names none. */
  readonly python: WorkerProgram | null;
  readonly secrets: Readonly<Record<string, string>>;
}

export function serverProgram(options: ServerProgramOptions): WorkerProgram {
  const { startCommand, directory, scratchDirectory, python, secrets } = options;
  const worker = typescriptProgram({ memoryBytes: null, scratchDirectory });
  const namesImage = new RegExp(`(^|[^\\w/])${imageDirectory}(/|\\b)`).test(startCommand);
  return {
    ...worker,
    environment: {
      ...worker.environment,
      ...python?.environment,
      // As Truss gives them to code whose secrets are no files.
      ...Object.fromEntries(Object.entries(secrets).map(([name, value]) => [`TRUSS_SECRET_${name}`, value])),
    },
    directories: [dirname(process.execPath), ...(python?.directories ?? [])],
    mounts: [...(python?.mounts ?? []), ...(namesImage ? [{ directory, place: imageDirectory }] : [])],
  };
}
