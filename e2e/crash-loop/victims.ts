// Which processes of a running Corral may be killed, and what is needed to have all of them again.

import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { Corral } from "../harness.ts";
import { descendants, platformProcess, postmaster, replicaProcess } from "../processes.ts";

export const victims = ["platform", "replica", "code worker", "PostgreSQL", "receiver"] as const;
export type Victim = (typeof victims)[number];

const commands: Readonly<Record<Exclude<Victim, "receiver">, RegExp>> = {
  platform: platformProcess,
  replica: replicaProcess,
  "code worker": /code-worker\/typescript\/[\w-]+\.ts/,
  PostgreSQL: postmaster,
};

/** Kills one of the kind below these at once; false where there is none just now. `chance` is in `[0, 1)`. */
export async function killProcess(
  corrals: readonly Corral[],
  victim: Exclude<Victim, "receiver">,
  chance: number,
): Promise<boolean> {
  const below = await Promise.all(corrals.map((corral) => descendants(corral.process.pid ?? 0)));
  const found = below
    .flat()
    .filter(
      ({ command }) => commands[victim].test(command) && !/^\S*(setpriv|unshare|bash|sh) /.test(command),
    );
  const chosen = found[Math.floor(chance * found.length)];
  if (chosen === undefined) return false;
  try {
    process.kill(chosen.pid, "SIGKILL");
  } catch {
    return false;
  }
  return true;
}

export interface Receiver {
  readonly child: ChildProcess;
}

/** The same port and file each time: it is the same receiver again. */
export async function startReceiver(port: number, file: string): Promise<Receiver> {
  const path = fileURLToPath(new URL("receiver.ts", import.meta.url));
  const child = spawn(process.execPath, [path, String(port), file], {
    stdio: ["ignore", "pipe", "inherit", "ipc"],
  });
  await once(child.stdout!, "data");
  return { child };
}
