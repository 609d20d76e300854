// Programs of the system that helpers are made of, which not every system has.

import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

/** @param path directories, as in `PATH` */
export function findProgram(name: string, path: string): string | null {
  for (const directory of path.split(delimiter)) {
    const program = join(directory, name);
    try {
      accessSync(program, constants.X_OK);
      return program;
    } catch {
      continue;
    }
  }
  return null;
}
