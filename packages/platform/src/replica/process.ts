// The process driver: a replica is a child process with a directory, a socket and an environment of its own.
// Knows how to start and end one, and nothing of what it serves.

import { spawn, type ChildProcess } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { mkdir, mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { createRedactor, secretsOf, type ReplicaConfig } from "@corral/contract";
import type { LogLevel } from "@corral/contract";
import type { ReplicaExit } from "../domain/replica.ts";
import { hubVariables, replicaEnvironment } from "./environment.ts";
import { createLogTail } from "./log-tail.ts";
import { withoutSecrets } from "./without-secrets.ts";
import { processStartTime } from "./process-identity.ts";
import { removeDirectory } from "./remove-directory.ts";

/** The program of a replica. It is started, never imported: what it does to its memory stays in its process. */
const runtimeMain = fileURLToPath(new URL("../../../runtime/src/main.ts", import.meta.url));

/** The operating system's limit of a socket's path is 108 bytes on Linux, 104 elsewhere. */
export const socketPathLimit = 100;
/** Of directories outside the home, where the home's path is too long. */
export const temporaryDirectoryPrefix = join(tmpdir(), "corral-replica-");

export interface ReplicaPlace {
  /** Mode 700; removed with the replica. */
  readonly directory: string;
  /** `unix:` and a path in it. */
  readonly address: string;
}

export interface ReplicaProcess {
  readonly pid: number;
  readonly processStarted: string | null;
  readonly exited: Promise<ReplicaExit>;
  kill(signal: "SIGTERM" | "SIGKILL"): void;
}

export interface ReplicaDriver {
  /** Makes the directory whose address goes into the replica's config. */
  prepare(replicaId: string): Promise<ReplicaPlace>;
  start(place: ReplicaPlace, config: ReplicaConfig, onLine: (line: string) => void): Promise<ReplicaProcess>;
  remove(place: ReplicaPlace): Promise<void>;
}

export interface ProcessDriverOptions {
  /** Directories of replicas are made in it. */
  readonly runDirectory: string;
  readonly logLevel: LogLevel;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** The program to start; tests give another one. */
  readonly main?: string;
}

export function createProcessDriver({
  runDirectory,
  logLevel,
  environment,
  main = runtimeMain,
}: ProcessDriverOptions): ReplicaDriver {
  const setpriv = findSetpriv(environment["PATH"]);
  return {
    async prepare(replicaId) {
      let directory = join(runDirectory, replicaId);
      if (Buffer.byteLength(join(directory, "replica.sock")) < socketPathLimit) {
        await mkdir(directory, { recursive: true, mode: 0o700 });
      } else {
        directory = await mkdtemp(temporaryDirectoryPrefix);
      }
      return { directory, address: `unix:${join(directory, "replica.sock")}` };
    },

    async start({ directory }, config, onLine) {
      const configPath = join(directory, "replica.json");
      const { written, secrets } = withoutSecrets(config);
      await writeFile(configPath, JSON.stringify(written), { mode: 0o600 });
      const node = [process.execPath, main, "--config", configPath] as const;
      const [program, ...args] =
        setpriv === null ? node : ([setpriv, "--pdeathsig", "KILL", "--", ...node] as const);
      const child = spawn(program, args, {
        cwd: directory,
        env: {
          ...replicaEnvironment(directory, logLevel, environment, { installs: config.code !== undefined }),
          ...(wantsHub(config) ? hubVariables(environment) : {}),
        },
        stdio: ["pipe", "pipe", "pipe"],
        // A group of its own: Ctrl-C in a terminal reaches the platform alone, which then drains.
        detached: true,
      });
      // One that ends before it reads them says why itself.
      child.stdin.on("error", () => {});
      child.stdin.end(secrets === null ? "" : JSON.stringify(secrets));
      const tail = createLogTail(onLine, createRedactor(secretsOf(config)));
      tail.follow(child.stdout);
      tail.follow(child.stderr);
      const exited = exitOf(child, () => tail.lines());
      const pid = await spawned(child);
      return {
        pid,
        processStarted: processStartTime(pid),
        exited,
        kill: (signal) => void child.kill(signal),
      };
    },

    async remove({ directory }) {
      await removeDirectory(directory);
    },
  };
}

function wantsHub({ code }: ReplicaConfig): boolean {
  return (code?.python?.hub_files ?? []).length > 0;
}

function spawned(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("spawn", () => (child.pid === undefined ? reject(new Error("no pid")) : resolve(child.pid)));
  });
}

/** `close` comes when the process ended and its last lines are read. */
function exitOf(child: ChildProcess, lines: () => readonly string[]): Promise<ReplicaExit> {
  const { promise, resolve } = Promise.withResolvers<ReplicaExit>();
  const settle = (exitCode: number | null, signal: string | null) =>
    resolve({ exitCode, signal, lastLines: lines() });
  child.once("close", settle);
  // A grandchild may hold the pipes open: the end of the process counts.
  child.once("exit", (code, signal) => setTimeout(() => settle(code, signal), 500).unref());
  child.once("error", () => settle(null, null));
  return promise;
}

/** `setpriv --pdeathsig KILL` (util-linux) lets the kernel end a child with its parent; elsewhere its channel does. */
export function findSetpriv(path = ""): string | null {
  if (process.platform !== "linux") return null;
  for (const directory of path.split(delimiter)) {
    const program = join(directory, "setpriv");
    try {
      accessSync(program, constants.X_OK);
      return program;
    } catch {
      continue;
    }
  }
  return null;
}
