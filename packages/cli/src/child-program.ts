// A program of the runtime as a child process: it gets its configuration as a file and prints one JSON message a line.
// Knows nothing of what the messages mean. Lines that are none, as native code may print, belong to its log.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { findProgram } from "./platform-process.ts";

const mainOf = (folder: string) =>
  fileURLToPath(new URL(`../../runtime/src/${folder}/main.ts`, import.meta.url));
export const preparationMain = mainOf("preparation");
export const comparisonMain = mainOf("compare-weights");

export interface ChildProgram<Message> {
  readonly main: string;
  readonly config: object;
  /** Throws for what is no message. */
  readonly parse: (value: unknown) => Message;
  readonly onMessage: (message: Message) => void;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly directory: string;
  /** Ends the program with SIGTERM. */
  readonly signal: AbortSignal;
}

export interface ChildEnd {
  readonly code: number | null;
  readonly signal: string | null;
  /** What it said at last that was no message. */
  readonly lastLog: string;
}

const keptLogLines = 40;

/** Runs the program to its end. */
export async function runChildProgram<Message>(program: ChildProgram<Message>): Promise<ChildEnd> {
  const { main, config, parse, onMessage, environment, directory, signal } = program;
  signal.throwIfAborted();
  const place = await mkdtemp(join(tmpdir(), "corral-child-"));
  try {
    const configPath = join(place, "config.json");
    await writeFile(configPath, JSON.stringify(config), { mode: 0o600 });
    const node = [process.execPath, main, "--config", configPath];
    // Where it can be had, the child ends with us even if we are killed.
    const setpriv = findProgram("setpriv", environment["PATH"] ?? "");
    const [command = "", ...args] = setpriv === null ? node : [setpriv, "--pdeathsig", "TERM", "--", ...node];
    const child = spawn(command, args, {
      cwd: directory,
      env: { ...environment },
      stdio: ["ignore", "pipe", "pipe"],
      // In a process group of its own Ctrl-C reaches it once, through us.
      detached: true,
    });
    const log: string[] = [];
    const keep = (line: string): void => {
      log.push(line);
      if (log.length > keptLogLines) log.shift();
    };
    createInterface({ input: child.stderr }).on("line", keep);
    createInterface({ input: child.stdout }).on("line", (line) => {
      const read = readMessage(line, parse);
      if (read === null) keep(line);
      else onMessage(read.message);
    });
    const stop = () => void child.kill("SIGTERM");
    signal.addEventListener("abort", stop, { once: true });
    try {
      const [code, endSignal] = (await once(child, "close")) as [number | null, string | null];
      return { code, signal: endSignal, lastLog: log.join("\n") };
    } finally {
      signal.removeEventListener("abort", stop);
    }
  } finally {
    await rm(place, { recursive: true, force: true });
  }
}

function readMessage<Message>(
  line: string,
  parse: (value: unknown) => Message,
): { readonly message: Message } | null {
  try {
    return { message: parse(JSON.parse(line)) };
  } catch {
    return null;
  }
}
