// Runs one program of an installation: lines as they come, a process group of its own, ended as a whole.

import { spawn } from "node:child_process";
import { followLines } from "../code-worker/author-lines.ts";

export interface RunOptions {
  readonly directory?: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
  readonly timeoutMs: number;
  /** Both streams, line by line. */
  readonly onLine?: (line: string) => void;
}

export type RunResult =
  | { readonly kind: "exited"; readonly code: number; readonly lines: readonly string[] }
  /** It could not be started, was killed or took too long; `reason` is the end of a sentence. */
  | { readonly kind: "lost"; readonly reason: string; readonly lines: readonly string[] };

export type RunCommand = (
  program: string,
  args: readonly string[],
  options: RunOptions,
) => Promise<RunResult>;

/** After its end, for what it said last. What it started may hold its streams open for ever. */
const streamEndMs = 500;
/** Enough of the end to see what went wrong. */
const keptLineCount = 40;

export const runCommand: RunCommand = (program, args, options) => {
  const { directory, environment, signal, timeoutMs, onLine } = options;
  const lines: string[] = [];
  return new Promise((resolve) => {
    const child = spawn(program, args, {
      cwd: directory,
      env: { ...environment },
      stdio: ["ignore", "pipe", "pipe"],
      detached: true,
    });
    let ended: string | null = null;
    const end = (reason: string) => {
      ended ??= reason;
      killGroup(child.pid);
    };
    const timer = setTimeout(() => end(`took longer than ${Math.round(timeoutMs / 1000)} s`), timeoutMs);
    const aborted = () => end("was given up");
    signal?.addEventListener("abort", aborted, { once: true });
    if (signal?.aborted === true) aborted();
    for (const stream of [child.stdout, child.stderr]) {
      followLines(stream, (line) => {
        lines.push(line);
        if (lines.length > keptLineCount) lines.shift();
        onLine?.(line);
      });
    }
    let isSettled = false;
    const settle = (result: RunResult) => {
      if (isSettled) return;
      isSettled = true;
      clearTimeout(timer);
      signal?.removeEventListener("abort", aborted);
      resolve(result);
    };
    child.once("error", (error) =>
      settle({ kind: "lost", reason: `cannot be started: ${error.message}`, lines }),
    );
    const settleWith = (code: number | null, killedBy: NodeJS.Signals | null) => {
      if (ended !== null) settle({ kind: "lost", reason: ended, lines });
      else if (code === null)
        settle({ kind: "lost", reason: `was killed by ${killedBy ?? "a signal"}`, lines });
      else settle({ kind: "exited", code, lines });
    };
    child.once("close", settleWith);
    child.once("exit", (code, killedBy) => {
      killGroup(child.pid);
      setTimeout(() => {
        settleWith(code, killedBy);
        child.stdout.destroy();
        child.stderr.destroy();
      }, streamEndMs).unref();
    });
  });
};

/** A build of a package starts compilers of its own. */
function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // It has ended already.
  }
}
