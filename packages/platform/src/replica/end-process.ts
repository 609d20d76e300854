// How a replica's process is ended: asked to drain, then told to, then killed.

import { setTimeout as sleep } from "node:timers/promises";
import type { ControlChannel } from "./control-channel.ts";
import type { ReplicaProcess } from "./process.ts";

/** So long a process may take after SIGTERM. */
const termMs = 2_000;

/** Resolves when the process is gone; it has `graceMs` to finish what runs. */
export async function endProcess(
  child: ReplicaProcess,
  channel: ControlChannel | null,
  graceMs: number,
): Promise<void> {
  const exited = child.exited.then(() => true);
  const within = (ms: number) => Promise.race([exited, sleep(ms, false, { ref: false })]);
  if (channel?.send({ kind: "drain" }) === true && (await within(graceMs))) return;
  child.kill("SIGTERM");
  if (await within(Math.min(graceMs, termMs))) return;
  child.kill("SIGKILL");
  await exited;
}
