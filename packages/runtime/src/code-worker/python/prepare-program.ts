// A Python model's part of a replica's configuration → the program that runs it: its environment made or found, its
// external files and those of the hub placed.

import type { PythonCode } from "@corral/contract";
import { readEgressRules } from "@corral/weights";
import { utimes } from "node:fs/promises";
import { join } from "node:path";
import { placeExternalData } from "../../external-data/external-data.ts";
import { placeHubFiles } from "../../hub-files/hub-files.ts";
import type { Log } from "../../log.ts";
import {
  preparePythonEnvironment,
  type PrepareOptions,
} from "../../python-environment/prepare-environment.ts";
import type { NoteUsed } from "../used-places.ts";
import type { WorkerProgram } from "../worker-process.ts";
import { isolateInstallation } from "../../python-environment/isolate-installation.ts";
import { pythonProgram } from "./program.ts";

export interface PrepareProgramOptions {
  /** The bundle's files. */
  readonly directory: string;
  /** Absolute. */
  readonly dataDirectory: string;
  /** The code's home, removed with the replica. */
  readonly scratchDirectory: string;
  /** Of the code, by name. */
  readonly secrets: Readonly<Record<string, string>>;
  /** A GPU is asked for, and there is none. */
  readonly cudaOnCpu: boolean;
  /** The replica's own, with what an installer needs of the operator's. */
  readonly own: Readonly<Record<string, string | undefined>>;
  readonly log: Log;
  readonly noteUsed: NoteUsed;
  readonly signal: AbortSignal;
  /** Of the platform and of whoever runs it: installations do not see them. */
  readonly hidden: readonly string[];
  /** Tests give their own. */
  readonly prepare?: Partial<Pick<PrepareOptions, "run" | "interpreters">>;
}

const stallMs = 60_000;
/** The largest files of models are below it. */
const fileLimitBytes = 1024 ** 4;

/**
 * Fails with `python_missing`, `environment_failed`, `external_data_failed` or `invalid_bundle`, and as
 * `placeHubFiles`.
 */
export async function preparePythonProgram(
  code: PythonCode,
  options: PrepareProgramOptions,
): Promise<WorkerProgram> {
  const { directory, dataDirectory, scratchDirectory, secrets, cudaOnCpu } = options;
  const { own, log, noteUsed, signal, hidden, prepare = {} } = options;
  const onProgress = (line: string) => log.info(line, { from: "installation" });
  const { python, place, base, warnings } = await preparePythonEnvironment(
    {
      bundleDirectory: directory,
      bundleDigest: code.bundle_digest,
      pythonVersion: code.version,
      strictPython: code.strict,
      requirements: code.requirements,
      requirementsFile: code.requirements_file,
    },
    {
      directory: code.home,
      environment: own,
      onProgress,
      signal,
      isolate: isolateInstallation(hidden, own["PATH"] ?? ""),
      ...prepare,
    },
  );
  // Before anything is downloaded, which may take long or fail.
  await noteUsed(code.home, [place]);
  for (const warning of warnings) log.warn(warning, {});
  const ownDirectory = join(code.home, "files", code.bundle_digest.slice(0, 32));
  // First, so that what is found there stays.
  await utimes(ownDirectory, new Date(), new Date()).catch(() => undefined);
  const kept = await placeExternalData(
    code.external_data.map(({ url, local_data_path: localDataPath }) => ({ url, localDataPath })),
    {
      cacheDirectory: join(code.home, "external-data"),
      ownDirectory,
      dataDirectory,
      mayReach: readEgressRules(own["CORRAL_EGRESS_ALLOW"] ?? "").mayReach,
      signal,
      stallMs,
      limitBytes: fileLimitBytes,
      onProgress,
    },
  );
  const mounts = await placeHubFiles(code.hub_files, {
    environment: own,
    secrets,
    directory: ownDirectory,
    codeHome: scratchDirectory,
    signal,
    onProgress,
  });
  const hasFiles = code.external_data.length + code.hub_files.length > 0;
  if (hasFiles) await utimes(ownDirectory, new Date(), new Date());
  if (hasFiles) await noteUsed(code.home, [ownDirectory, ...kept]);
  const program = pythonProgram(python, own, {
    directories: [base, ...(hasFiles ? [ownDirectory] : [])],
    cudaOnCpu,
    hasCache: code.hub_files.some(({ place }) => place === null),
  });
  return { ...program, mounts };
}
