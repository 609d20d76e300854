// What a measurement is aimed at: a process tree that is started, called and ended.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

export interface Target {
  readonly name: string;
  readonly url: string;
  readonly headers: Record<string, string>;
  stop(): Promise<void>;
}

interface Announcement {
  readonly url: string;
  readonly headers: Record<string, string>;
}

/** Starts a target's entry file in a process of its own; its first line on stdout is the announcement. */
export async function startTarget(name: string, entry: string): Promise<Target> {
  const child = spawn(process.execPath, [entry], { stdio: ["ignore", "pipe", "inherit"] });
  const exited = once(child, "exit");
  const lines = createInterface({ input: child.stdout });
  const first = await Promise.race([once(lines, "line"), exited.then(() => null)]);
  if (first === null) throw new Error(`target ${name} ended with ${child.exitCode} before it was ready`);
  const { url, headers } = JSON.parse(String(first[0])) as Announcement;
  return {
    name,
    url,
    headers: { "content-type": "application/json", ...headers },
    async stop() {
      child.kill("SIGTERM");
      await exited;
    },
  };
}

export function announce(announcement: Announcement): void {
  process.stdout.write(`${JSON.stringify(announcement)}\n`);
}
