// Where the system gives a worker no namespaces, a mark in its environment tells what it started, whatever became of
// the parents and groups of these processes. Code that wants to can take the mark off a child: then nothing finds it.

import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { findProgram } from "./find-program.ts";

const script = fileURLToPath(new URL("end-marked.sh", import.meta.url));
const variable = "MODEL_CODE_PROCESS";
/** Processes that start others while they are being ended. */
const mostRounds = 100;

export interface ProcessMark {
  /** For the environment of the worker. */
  readonly environment: Readonly<Record<string, string>>;
  /** Ends all that has the mark now. */
  end(): void;
  /** Nobody has to be ended any more should this process die. */
  release(): void;
}

/** Whatever has the mark ends with this process, even when it is killed. Linux only; elsewhere it does nothing. */
export function createMark(path: string): ProcessMark {
  const id = randomUUID();
  const mark = `${variable}=${id}`;
  const release = endWithThisProcess(mark, path);
  return {
    environment: { [variable]: id },
    end() {
      for (let round = 0; round < mostRounds; round++) {
        const found = marked(mark);
        if (found.length === 0) return;
        for (const pid of found) kill(pid);
      }
    },
    release,
  };
}

/** A shell that waits for the end of a pipe, which the system closes for whoever is killed. */
function endWithThisProcess(mark: string, path: string): () => void {
  const shell = process.platform === "linux" ? findProgram("sh", path) : null;
  if (shell === null) return () => {};
  const child = spawn(shell, [script, mark], {
    env: { PATH: path },
    stdio: ["pipe", "ignore", "ignore"],
    // Whoever ends the group of this process does not end it.
    detached: true,
  });
  child.on("error", () => {});
  child.stdin?.on("error", () => {});
  child.unref();
  // A pipe of a child is a socket, which would keep this process alive.
  (child.stdin as { unref?: () => void } | null)?.unref?.();
  return () => void child.stdin?.end();
}

function marked(mark: string): readonly number[] {
  try {
    return readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name) && isAliveWith(mark, name))
      .map(Number);
  } catch {
    return [];
  }
}

/** Those that have ended and wait for their parent have no environment any more. */
function isAliveWith(mark: string, pid: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/environ`, "latin1").split("\0").includes(mark);
  } catch {
    return false;
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended.
  }
}
