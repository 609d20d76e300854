// Where what is made once for this machine is kept: large files that can be made again and belong into no repository.

import { homedir } from "node:os";
import { join, resolve } from "node:path";

export function corralHome(environment: NodeJS.ProcessEnv = process.env): string {
  return resolve(environment["CORRAL_HOME"] ?? join(homedir(), ".corral"));
}

/** For what only benchmarks need. */
export function benchHome(environment: NodeJS.ProcessEnv = process.env): string {
  return join(corralHome(environment), "bench");
}
