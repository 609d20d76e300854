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
    ...(own["CUDA_VISIBLE_DEVICES"] === undefined
      ? {}
      : { CUDA_VISIBLE_DEVICES: own["CUDA_VISIBLE_DEVICES"] }),
  };
}
