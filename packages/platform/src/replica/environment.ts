// The environment a replica starts with: built, never inherited, so that no key, token or database address of the
// platform reaches it.

import type { LogLevel } from "../config.ts";

export function replicaEnvironment(
  directory: string,
  logLevel: LogLevel,
  own: Readonly<Record<string, string | undefined>>,
): Record<string, string> {
  return {
    PATH: own["PATH"] ?? "/usr/local/bin:/usr/bin:/bin",
    HOME: directory,
    TMPDIR: directory,
    LANG: own["LANG"] ?? "C.UTF-8",
    NODE_ENV: "production",
    LOG_LEVEL: logLevel,
    // Decode calls that wander over pool threads cost 15 % (docs/adr/0004).
    UV_THREADPOOL_SIZE: "1",
    ...(own["TZ"] === undefined ? {} : { TZ: own["TZ"] }),
    // Where the system's own libraries lie on unusual machines; the dynamic linker reads it.
    ...(own["LD_LIBRARY_PATH"] === undefined ? {} : { LD_LIBRARY_PATH: own["LD_LIBRARY_PATH"] }),
    ...pick(own, deviceVariables),
  };
}

/** Which GPUs a process may see, and where Vulkan finds its drivers. */
const deviceVariables: readonly string[] = [
  "CUDA_VISIBLE_DEVICES",
  "GGML_VK_VISIBLE_DEVICES",
  "VK_DRIVER_FILES",
  "VK_ICD_FILENAMES",
];

function pick(
  variables: Readonly<Record<string, string | undefined>>,
  names: readonly string[],
): Record<string, string> {
  const picked: Record<string, string> = {};
  for (const name of names) if (variables[name] !== undefined) picked[name] = variables[name];
  return picked;
}
