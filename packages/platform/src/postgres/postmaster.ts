// One life of the PostgreSQL server: from its start until it has ended. Starting it again is the supervisor's.

import { spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { ServingError } from "@corral/contract";
import type { Binaries } from "./binaries.ts";
import { childCommand, childEnvironment } from "./child.ts";
import type { Identity } from "./identity.ts";
import type { Layout } from "./layout.ts";
import { signalProcess } from "./leftovers.ts";

export interface Postmaster {
  readonly pid: number;
  /** Resolves when connections are accepted. Rejects with `database_unavailable` and the server's last words. */
  readonly ready: Promise<void>;
  /** Resolves with "status 1" or "signal SIGKILL" when the process is gone. */
  readonly exited: Promise<string>;
  stop(): Promise<void>;
}

export interface PostmasterOptions {
  readonly layout: Layout;
  readonly binaries: Binaries;
  readonly identity: Identity;
  /** Further `-c` settings. */
  readonly settings: Readonly<Record<string, string>>;
  readonly onLog: (line: string) => void;
}

/** Recovery after a crash replays at most 1 GB of log, which a slow disk needs time for. */
const readyForMs = 180_000;
/** Fast shutdown writes a checkpoint; immediate shutdown only ends the processes. */
const fastStopMs = 15_000;
const immediateStopMs = 5_000;

export function startPostmaster({
  layout,
  binaries,
  identity,
  settings,
  onLog,
}: PostmasterOptions): Postmaster {
  const [program = "", ...args] = childCommand(identity, "INT", [
    binaries.postgres,
    "-D",
    layout.data,
    ...Object.entries({
      // Only through the socket: the TLS that comes with these binaries is out of date.
      listen_addresses: "",
      unix_socket_directories: layout.run,
      unix_socket_permissions: "0700",
      password_encryption: "scram-sha-256",
      shared_buffers: "64MB",
      max_connections: "60",
      timezone: "UTC",
      log_timezone: "UTC",
      log_line_prefix: "",
      // Fsync of each file takes seconds after a crash, of the whole file system a few milliseconds.
      ...(process.platform === "linux" ? { recovery_init_sync_method: "syncfs" } : {}),
      ...settings,
    }).flatMap(([name, value]) => ["-c", `${name}=${value}`]),
  ]);
  const child = spawn(program, args, {
    ...identity.user,
    cwd: layout.root,
    env: childEnvironment(binaries),
    stdio: ["ignore", "ignore", "pipe"],
    // A session of its own: Ctrl-C in our terminal must not end the database before its users.
    detached: true,
  });
  const lastLines: string[] = [];
  createInterface({ input: child.stderr }).on("line", (line) => {
    lastLines.push(line);
    if (lastLines.length > 8) lastLines.shift();
    onLog(`postgres: ${line}`);
  });

  const { promise: exited, resolve: resolveExited } = Promise.withResolvers<string>();
  let ended: string | null = null;
  child.on("error", (error) => resolveExited((ended = error.message)));
  child.on("exit", (status, signal) =>
    resolveExited((ended = signal === null ? `status ${status}` : `signal ${signal}`)),
  );
  const pid = child.pid ?? 0;

  const waitUntilReady = async () => {
    const giveUpAt = performance.now() + readyForMs;
    while (ended === null && performance.now() < giveUpAt) {
      if (await isReady(layout, pid)) return;
      await sleep(10);
    }
    if (ended === null) await stop();
    // The pipe's last lines arrive after the exit.
    await sleep(20);
    const words = lastLines.length === 0 ? "" : `: ${lastLines.join(" | ")}`;
    throw new ServingError(
      "database_unavailable",
      `PostgreSQL did not start (${ended ?? "too slow"})${words}`,
    );
  };

  const within = (waitMs: number) =>
    Promise.race([exited, sleep(waitMs, undefined, { ref: false })]).then(() => ended !== null);
  const stop = async () => {
    for (const [signal, waitMs] of [
      ["SIGINT", fastStopMs],
      ["SIGQUIT", immediateStopMs],
    ] as const) {
      if (ended !== null) return;
      signalProcess(pid, signal);
      if (await within(waitMs)) return;
    }
    signalProcess(pid, "SIGKILL");
    await exited;
  };

  const ready = waitUntilReady();
  // Whoever waits for it hears of it; nobody has to.
  ready.catch(() => {});
  return { pid, ready, exited, stop };
}

/** The eighth line of the pid file is the server's state. */
async function isReady({ pidFile }: Layout, pid: number): Promise<boolean> {
  const lines = (await readFile(pidFile, "utf8").catch(() => "")).split("\n");
  return Number(lines[0]) === pid && lines[7]?.trim() === "ready";
}
