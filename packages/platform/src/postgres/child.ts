// How a program of PostgreSQL is started: as whom, with which environment, and so that it ends when we do.

import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import type { Binaries } from "./binaries.ts";
import type { Identity } from "./identity.ts";

/**
 * The command line that runs `command` as `identity` and sends it `signal` when this process ends, be it by
 * SIGKILL. `setpriv` asks the kernel for that; the shell after it covers the moment before: when it finds
 * another parent than us, we are gone already and it does not start the program.
 */
export function childCommand(
  identity: Identity,
  signal: "INT" | "KILL",
  command: readonly string[],
): string[] {
  if (!hasProgram("setpriv")) return identity.wrap(command);
  const guard = ["sh", "-c", 'if [ "$PPID" = "$0" ]; then exec "$@"; fi', String(process.pid)];
  return identity.wrap(["setpriv", "--pdeathsig", signal, "--", ...guard, ...command]);
}

/** Built, not inherited: `PG…` variables and secrets of ours stay out. */
export function childEnvironment({ extraLibraries, native }: Binaries): NodeJS.ProcessEnv {
  // A library found through a link looks for its own beside the link: both folders are named.
  return {
    PATH: process.env["PATH"] ?? "/usr/bin:/bin",
    LC_ALL: "C",
    TZ: "UTC",
    ...(extraLibraries === null ? {} : { LD_LIBRARY_PATH: `${extraLibraries}:${join(native, "lib")}` }),
  };
}

function hasProgram(name: string): boolean {
  return (process.env["PATH"] ?? "/usr/bin:/bin").split(delimiter).some((directory) => {
    try {
      accessSync(join(directory, name), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
