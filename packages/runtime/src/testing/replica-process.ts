// Starts a replica's process as the process driver does, and collects how it ended.

import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { ReplicaConfig } from "@corral/contract";
import { dialControlChannel, type PlatformSide } from "./platform-side.ts";
import { compileCache } from "./compile-cache.ts";

export const mainEntry = fileURLToPath(new URL("../main.ts", import.meta.url));
export const fakeEntry = fileURLToPath(new URL("fake-replica.ts", import.meta.url));

export interface ReplicaProcess {
  readonly child: ChildProcess;
  readonly ended: Promise<ProcessEnd>;
  /** Dials until the replica listens: its socket is in the directory a moment before that. */
  dial(): Promise<PlatformSide>;
}

export interface ProcessEnd {
  readonly code: number | null;
  readonly signal: string | null;
  readonly stderr: string;
  /** The error line, or null. */
  readonly error: { readonly code: string; readonly detail: string } | null;
}

export function startReplicaProcess(
  entry: string,
  directory: string,
  config: ReplicaConfig,
  options: { readonly args?: readonly string[]; readonly env?: Readonly<Record<string, string>> } = {},
): ReplicaProcess {
  const configPath = join(directory, "replica.json");
  writeFileSync(configPath, JSON.stringify(config));
  const child = spawn(process.execPath, [entry, "--config", configPath, ...(options.args ?? [])], {
    stdio: ["ignore", "ignore", "pipe"],
    env: { PATH: process.env["PATH"] ?? "", UV_THREADPOOL_SIZE: "1", ...compileCache(), ...options.env },
  });
  let stderr = "";
  child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
  const ended = once(child, "close").then(([code, signal]) => ({
    code: code as number | null,
    signal: signal as string | null,
    stderr,
    error: findError(stderr),
  }));
  return {
    child,
    ended,
    async dial() {
      const socketPath = config.address.slice("unix:".length);
      for (;;) {
        try {
          return await dialControlChannel(socketPath);
        } catch (error) {
          if (!isNotListening(error)) throw error;
        }
        if (child.exitCode !== null)
          throw new Error(`The replica ended before it could be dialled:\n${stderr}`);
        await sleep(10);
      }
    },
  };
}

function isNotListening(error: unknown): boolean {
  return (
    error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ECONNREFUSED")
  );
}

function findError(stderr: string): ProcessEnd["error"] {
  const line = stderr.split("\n").findLast((text) => text.startsWith('{"error":'));
  return line === undefined ? null : JSON.parse(line).error;
}
