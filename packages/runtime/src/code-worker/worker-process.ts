// A code worker as a process: started with nothing of the replica's but one socket, held to limits, and ended with
// everything that it started. Knows no message.

import { createRedactor } from "@corral/contract";
import { spawn } from "node:child_process";
import type { Duplex, Readable } from "node:stream";
import { followLines } from "./author-lines.ts";
import { findProgram } from "./find-program.ts";
import { watchLimits, type WatchedLimits } from "./limits-watch.ts";
import { createMark } from "./marked-processes.ts";
import { processTree } from "./process-tree.ts";
import { withEnvironment } from "./with-environment.ts";

export interface WorkerProgram {
  readonly program: string;
  readonly args: readonly string[];
  /** What the language needs in the environment. */
  readonly environment: Readonly<Record<string, string>>;
  /** Which it must be able to read, at most four; default: none but the system's and the install's. */
  readonly directories?: readonly string[];
  /** Directories that it is to see at other places, all absolute; default: none. */
  readonly mounts?: readonly { readonly directory: string; readonly place: string }[];
}

export interface ProcessLimits extends WatchedLimits {
  /** Of each process. */
  readonly openFiles: number;
}

export interface WorkerProcessOptions {
  readonly program: WorkerProgram;
  readonly workingDirectory: string;
  /** The whole of it, for the program alone. */
  readonly environment: Readonly<Record<string, string>>;
  readonly limits: ProcessLimits;
  /** A line that the author's code wrote. */
  readonly onLine: (line: string) => void;
  /** Values that stand in none of its lines. */
  readonly secrets: readonly string[];
  /** Where helpers are looked for. */
  readonly path: string;
  /** What gives it namespaces of its own (`isolatingWords`); null: nothing does. */
  readonly isolation: readonly string[] | null;
}

export interface WorkerProcess {
  readonly pid: number;
  readonly stream: Duplex;
  /** Fulfilled with a sentence of how it ended; whatever it started is gone then. Never rejects. */
  readonly exited: Promise<string>;
  /** Of all its processes, as of a moment ago; 0 where it is not watched. */
  readonly memoryBytes: number;
  /** At once, with all its children; `reason` becomes the sentence. */
  kill(reason: string): void;
}

/** Fails with the system's error where the program cannot be started. */
export async function startWorkerProcess(options: WorkerProcessOptions): Promise<WorkerProcess> {
  const { program, limits, environment, workingDirectory, onLine } = options;
  const words = [...limitingHelpers(limits, options), ...(options.isolation ?? [])];
  // Namespaces end with their first process; where there are none, what the code started has to be found.
  const mark = options.isolation === null ? createMark(options.path) : null;
  // Those before the program run with nothing of the author's.
  const own = words.length === 0 ? null : withEnvironment(environment, options.path);
  const [command = "", ...args] = [...words, ...(own?.words ?? []), program.program, ...program.args];
  const child = spawn(command, args, {
    cwd: workingDirectory,
    env: { ...(own === null ? environment : { PATH: options.path }), ...mark?.environment },
    // The fourth is a pair of connected sockets.
    stdio: [own === null ? "ignore" : "pipe", "pipe", "pipe", "pipe"],
    // A group of its own, so that all of it can be ended.
    detached: true,
  });
  // One that has ended before it read this has a reason of its own.
  child.stdin?.on("error", () => {}).end(own?.input);
  const redactor = createRedactor(options.secrets);
  followLines(child.stdout as Readable, onLine, redactor);
  followLines(child.stderr as Readable, onLine, redactor);
  const stream = child.stdio[3] as Duplex;
  // Until somebody reads it, nobody else listens for its failure.
  stream.on("error", () => {});
  const pid = await new Promise<number>((resolve, reject) => {
    child.once("error", (error) => {
      mark?.release();
      reject(error);
    });
    child.once("spawn", () => (child.pid === undefined ? reject(new Error("no pid")) : resolve(child.pid)));
  });

  let killedFor: string | null = null;
  let isGone = false;
  function kill(reason: string): void {
    if (isGone) return;
    killedFor ??= reason;
    killAll(pid);
    mark?.end();
  }
  const watch = watchLimits(pid, limits, options.path, kill);
  const exited = new Promise<string>((resolve) => {
    child.once("exit", (code, signal) => {
      watch.stop();
      // What it left behind in its group.
      signalGroup(pid);
      mark?.end();
      mark?.release();
      isGone = true;
      const how =
        signal === null ? `It ended with status ${code ?? "unknown"}.` : `It was killed by ${signal}.`;
      // Its last lines and messages may still be in the pipes.
      setImmediate(() => resolve(killedFor ?? how));
    });
  });
  return {
    pid,
    stream,
    exited,
    kill,
    get memoryBytes() {
      return watch.bytes;
    },
  };
}

/** Numeric libraries start one for each processor. */
const threadsOfProcess = 64;

/** Programs that replace themselves by the next one, each adding something. Absent where a system has them not. */
function limitingHelpers(
  { openFiles, memoryBytes, processes }: ProcessLimits,
  { path, isolation }: Pick<WorkerProcessOptions, "path" | "isolation">,
): readonly string[] {
  if (process.platform !== "linux") return [];
  const setpriv = findProgram("setpriv", path);
  const prlimit = findProgram("prlimit", path);
  // Twice: the kernel's bound is for one process and counts what is reserved, too; the watch counts all and exactly.
  const data = memoryBytes === null ? [] : [`--data=${memoryBytes * 2 + 512 * 1024 ** 2}`];
  // In namespaces of its own the kernel counts its threads alone, outside all of this user's. Root is not counted.
  const threads = isolation === null ? [] : [`--nproc=${processes * threadsOfProcess}`];
  return [
    ...(setpriv === null ? [] : [setpriv, "--pdeathsig", "KILL", "--no-new-privs", "--"]),
    ...(prlimit === null ? [] : [prlimit, `--nofile=${openFiles}`, "--core=0", ...data, ...threads, "--"]),
  ];
}

/** The group, and those that left it. */
function killAll(pid: number): void {
  const tree = processTree(pid);
  signalGroup(pid);
  for (const member of tree) signal(member);
}

function signalGroup(pid: number): void {
  signal(-pid);
}

function signal(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended.
  }
}
