// Where all replicas of this user on this host tell each other which of them computes, whatever their platform's home.

import { existsSync } from "node:fs";
import { join } from "node:path";

/** In memory where the system has such a place; null: without users there is none that is ours. */
export function threadsDirectory(): string | null {
  const user = process.getuid?.();
  if (user === undefined) return null;
  return join(existsSync("/dev/shm") ? "/dev/shm" : "/tmp", `corral-threads-${user}`);
}
