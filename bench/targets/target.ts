// What a measurement is aimed at: a process tree that is started, called and ended.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { Compute } from "@corral/contract";

export interface Target {
  readonly name: string;
  readonly url: string;
  readonly headers: Record<string, string>;
  /** What a replica computes with, as it found it; undefined for other servers. */
  readonly compute: Compute | undefined;
  /** The root of its processes. */
  readonly pid: number;
  /** The last load report of a replica, as it is on the wire; null where there is none. */
  readonly load: LoadReport | null;
  stop(): Promise<void>;
}

export type LoadReport = Readonly<Record<string, unknown>>;

interface Announcement {
  readonly url: string;
  readonly headers: Record<string, string>;
  readonly compute?: Compute | undefined;
}

/**
 * Starts a target's entry file in a process of its own; its first line on stdout is the announcement, later ones are
 * load reports. It ends when its stdin does, so that none survives the run.
 */
export async function startTarget(
  name: string,
  entry: string,
  args: readonly string[] = [],
): Promise<Target> {
  const child = spawn(process.execPath, [entry, ...args], { stdio: ["pipe", "pipe", "inherit"] });
  const exited = once(child, "exit");
  const lines = createInterface({ input: child.stdout });
  const first = await Promise.race([once(lines, "line"), exited.then(() => null)]);
  if (first === null || child.pid === undefined)
    throw new Error(`target ${name} ended with ${child.exitCode} before it was ready`);
  const { url, headers, compute } = JSON.parse(String(first[0])) as Announcement;
  let load: LoadReport | null = null;
  lines.on("line", (line) => (load = JSON.parse(line) as LoadReport));
  return {
    name,
    url,
    headers: { "content-type": "application/json", ...headers },
    compute,
    pid: child.pid,
    get load() {
      return load;
    },
    async stop() {
      child.kill("SIGTERM");
      await exited;
    },
  };
}

export function announce(announcement: Announcement): void {
  process.stdout.write(`${JSON.stringify(announcement)}\n`);
}
