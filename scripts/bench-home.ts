// Where what benchmarks need is kept: large files that can be made again and belong into no repository.

import { homedir } from "node:os";
import { join, resolve } from "node:path";

export function benchHome(environment: NodeJS.ProcessEnv = process.env): string {
  return join(resolve(environment["CORRAL_HOME"] ?? join(homedir(), ".corral")), "bench");
}
