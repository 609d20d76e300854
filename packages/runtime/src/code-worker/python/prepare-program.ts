// A Python model's part of a replica's configuration → the program that runs it: its environment made or found, its
// external files placed.

import type { PythonCode } from "@corral/contract";
import { join } from "node:path";
import { placeExternalData } from "../../external-data/external-data.ts";
import { mayReach } from "../../external-data/public-address.ts";
import type { Log } from "../../log.ts";
import {
  preparePythonEnvironment,
  type PrepareOptions,
} from "../../python-environment/prepare-environment.ts";
import type { WorkerProgram } from "../worker-process.ts";
import { pythonProgram } from "./program.ts";

export interface PrepareProgramOptions {
  /** The bundle's files. */
  readonly directory: string;
  /** Absolute. */
  readonly dataDirectory: string;
  /** The replica's own, with what an installer needs of the operator's. */
  readonly own: Readonly<Record<string, string | undefined>>;
  readonly log: Log;
  readonly signal: AbortSignal;
  /** Tests give their own. */
  readonly prepare?: Partial<Pick<PrepareOptions, "run" | "interpreters">>;
}

const stallMs = 60_000;
/** The largest files of models are below it. */
const fileLimitBytes = 1024 ** 4;

/** Fails with `python_missing`, `environment_failed`, `external_data_failed` or `invalid_bundle`. */
export async function preparePythonProgram(
  code: PythonCode,
  options: PrepareProgramOptions,
): Promise<WorkerProgram> {
  const { directory, dataDirectory, own, log, signal, prepare = {} } = options;
  const onProgress = (line: string) => log.info(line, { from: "installation" });
  const { python, base, warnings } = await preparePythonEnvironment(
    {
      bundleDirectory: directory,
      bundleDigest: code.bundle_digest,
      pythonVersion: code.version,
      strictPython: code.strict,
      requirements: code.requirements,
      requirementsFile: code.requirements_file,
    },
    { directory: code.home, environment: own, onProgress, signal, ...prepare },
  );
  for (const warning of warnings) log.warn(warning, {});
  const cacheDirectory = join(code.home, "external-data");
  await placeExternalData(
    code.external_data.map(({ url, local_data_path: localDataPath }) => ({ url, localDataPath })),
    {
      cacheDirectory,
      dataDirectory,
      mayReach: mayReach(own["CORRAL_EGRESS_ALLOW"] ?? ""),
      signal,
      stallMs,
      limitBytes: fileLimitBytes,
      onProgress,
    },
  );
  return pythonProgram(python, own, [base, cacheDirectory]);
}
