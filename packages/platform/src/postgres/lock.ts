// One supervisor per data directory. The lock is flock(2) on a file that this process holds open: the kernel
// gives it back however the process ends, and no file has to be cleaned up.
//
// Node has no flock. But such a lock belongs to the open file, not to the process that asked for it, so a child
// that inherits the descriptor takes the lock (`flock 3`), ends, and leaves it with us.

import { closeSync, constants, ftruncateSync, openSync, readFileSync, writeSync } from "node:fs";
import { ServingError } from "@corral/contract";
import { run } from "./command.ts";

export interface Lock {
  release(): void;
}

const takers: readonly (readonly [string, ...string[]])[] = [
  ["flock", "-n", "-x", "3"],
  // macOS has perl and no flock.
  [
    "perl",
    "-e",
    'use Fcntl ":flock"; open(my $f, "+<&=", 3) or exit 2; exit(flock($f, LOCK_EX | LOCK_NB) ? 0 : 1)',
  ],
];

/** Fails with `database_unavailable`, naming the process that holds the lock. `path` is never removed. */
export async function takeLock(path: string): Promise<Lock> {
  // Closed on exec: no other child of ours keeps the lock.
  const descriptor = openSync(path, constants.O_RDWR | constants.O_CREAT, 0o600);
  try {
    await lockDescriptor(descriptor, path);
    ftruncateSync(descriptor);
    writeSync(descriptor, `${process.pid}\n`, 0);
  } catch (error) {
    closeSync(descriptor);
    throw error;
  }
  let held = true;
  return {
    release() {
      if (held) closeSync(descriptor);
      held = false;
    },
  };
}

async function lockDescriptor(descriptor: number, path: string): Promise<void> {
  for (const [program, ...args] of takers) {
    const result = await run(program, args, { descriptor });
    if (result.code === 0) return;
    if (result.code === "ENOENT") continue;
    if (result.code === 1) {
      const holder = readFileSync(path, "utf8").trim();
      const detail = `The database directory is in use by the process ${holder || "that is just starting"} (${path}); stop that one, or choose another CORRAL_HOME.`;
      throw new ServingError("database_unavailable", detail);
    }
    throw new ServingError(
      "database_unavailable",
      `${path} cannot be locked: ${result.output || result.code}`,
    );
  }
  throw new ServingError(
    "database_unavailable",
    "Neither flock (util-linux) nor perl is installed; one of them is needed to lock the database directory. Or set DATABASE_URL.",
  );
}
