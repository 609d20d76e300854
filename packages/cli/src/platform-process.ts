// The platform as a child process: starting it, its event lines, signals, its end. Knows nothing of what the events
// mean.

import { spawn, type ChildProcess } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

export const platformMain = fileURLToPath(new URL("../../platform/src/main.ts", import.meta.url));

export interface PlatformEvent {
  readonly event: string;
  readonly [member: string]: unknown;
}

export interface PlatformProcess {
  /** The lines of its stdout that are events, then the end. Other lines are left out. */
  readonly events: AsyncIterable<PlatformEvent>;
  /** The last lines of its stderr, where they are not shown at once. */
  readonly lastLog: () => string;
  /** Its exit code; 128 and the signal's number where a signal ended it. */
  readonly exited: Promise<number>;
  signal(name: NodeJS.Signals): void;
}

export interface StartOptions {
  readonly args: readonly string[];
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Whether its log goes to our stderr as it comes. */
  readonly showLog: boolean;
  /** The file to run. */
  readonly main: string;
}

const keptLogLines = 40;
const signalNumbers: Readonly<Record<string, number>> = { SIGHUP: 1, SIGINT: 2, SIGKILL: 9, SIGTERM: 15 };

export function startPlatform({ args, environment, showLog, main }: StartOptions): PlatformProcess {
  const node = [process.execPath, main, ...args];
  // Where it can be had, the child ends with us even if we are killed.
  const setpriv = findProgram("setpriv", environment["PATH"] ?? "");
  const [command = "", ...rest] = setpriv === null ? node : [setpriv, "--pdeathsig", "TERM", "--", ...node];
  const child = spawn(command, rest, {
    stdio: ["ignore", "pipe", showLog ? "inherit" : "pipe"],
    env: { ...environment },
    // In a process group of its own Ctrl-C reaches it once, through us, and not from the terminal as well.
    detached: true,
  });
  const log: string[] = [];
  if (child.stderr !== null) {
    createInterface({ input: child.stderr }).on("line", (line) => {
      log.push(line);
      if (log.length > keptLogLines) log.shift();
    });
  }
  return {
    events: eventsOf(child),
    lastLog: () => log.join("\n"),
    exited: new Promise((resolve, reject) => {
      child.once("error", reject);
      child.once("close", (code, signal) => resolve(code ?? 128 + (signalNumbers[signal ?? ""] ?? 0)));
    }),
    signal(name) {
      child.kill(name);
    },
  };
}

async function* eventsOf(child: ChildProcess): AsyncGenerator<PlatformEvent> {
  if (child.stdout === null) return;
  for await (const line of createInterface({ input: child.stdout })) {
    const event = parseEvent(line);
    if (event !== null) yield event;
  }
}

export function parseEvent(line: string): PlatformEvent | null {
  if (!line.startsWith("{")) return null;
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value !== "object" || value === null || !("event" in value)) return null;
    return typeof value.event === "string" ? (value as PlatformEvent) : null;
  } catch {
    return null;
  }
}

/** The path of a program on Linux; null where it is not there. */
export function findProgram(name: string, path: string): string | null {
  if (process.platform !== "linux") return null;
  for (const directory of path.split(delimiter).filter((entry) => entry.startsWith("/"))) {
    try {
      accessSync(join(directory, name), constants.X_OK);
      return join(directory, name);
    } catch {
      continue;
    }
  }
  return null;
}
