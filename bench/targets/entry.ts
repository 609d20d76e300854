// What the entry files of serving targets share: their options, a free port, waiting until a server answers, and an
// end with the child they started.

import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createServer, type AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import type { DeviceChoice } from "@corral/contract";

/** Of the server, the same for every one that is compared. */
export interface ServerSettings {
  readonly model: string;
  /** What computes it. */
  readonly device: DeviceChoice;
  /** Of our replica: llama.cpp libraries compiled for this machine; null: those of the npm packages. */
  readonly llamaLibraries: string | null;
  readonly threadCount: number;
  /** Sequences at once. */
  readonly slotCount: number;
  /** Tokens of the whole KV cache. */
  readonly cellCount: number;
  /** Tokens of one sequence. */
  readonly contextLength: number;
  /** Calls that may wait. */
  readonly queueLength: number;
  /** Of our replica: how long a prompt may make a step beside running sequences. */
  readonly maxStepMs: number;
  /** A directory that survives a restart within a run. */
  readonly state: string;
}

/** Most tokens of a step, and what the processor takes at once: llama-server's defaults, for both. */
export const batchTokenCount = 2_048;
export const microBatchTokenCount = 512;
/** The platform's default of `max_step_ms`. */
export const defaultMaxStepMs = 500;

/** The one argument of an entry file, and whatever flags follow it. */
export function readSettings(): { settings: ServerSettings; flags: readonly string[] } {
  const { positionals } = parseArgs({ allowPositionals: true, strict: false });
  const separator = process.argv.indexOf("--");
  const flags = separator < 0 ? [] : process.argv.slice(separator + 1);
  return { settings: JSON.parse(positionals[0] ?? "{}") as ServerSettings, flags };
}

/** How a GPU's driver and libraries are found; nothing else of ours reaches a server. */
export function deviceEnvironment(): NodeJS.ProcessEnv {
  const names = [
    "LD_LIBRARY_PATH",
    "CUDA_VISIBLE_DEVICES",
    "CUDA_CACHE_PATH",
    "GGML_VK_VISIBLE_DEVICES",
    "VK_DRIVER_FILES",
    "VK_ICD_FILENAMES",
  ];
  return Object.fromEntries(
    names.flatMap((name) => (name in process.env ? [[name, process.env[name]]] : [])),
  );
}

/** Free when it was asked; whoever is told of it must be quick. */
export async function findFreePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

/**
 * Starts the server that this process stands for. Both end together, whichever ends first; what the server said is
 * shown only where its end was not asked for.
 */
export function startServer(command: string, args: readonly string[], env: NodeJS.ProcessEnv): ChildProcess {
  // A group of its own: some servers leave processes behind that would keep its pipes open.
  const child = spawn(command, args, { stdio: ["ignore", "ignore", "pipe"], env, detached: true });
  const killGroup = (signal: NodeJS.Signals) => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, signal);
    } catch {
      // Nobody is left in it.
    }
  };
  let said = "";
  let ending = false;
  child.stderr.on("data", (chunk: Buffer) => (said = (said + chunk.toString()).slice(-8_000)));
  child.once("error", (error) => {
    process.stderr.write(`${command}: ${error.message}\n`);
    process.exit(1);
  });
  child.once("exit", () => {
    killGroup("SIGKILL");
    if (ending) process.exit(0);
    // What it said last may still be on its way.
    setTimeout(() => child.stderr.destroy(), 500);
  });
  child.once("close", (code, signal) => {
    process.stderr.write(`${said}${command} ended with ${code ?? signal}\n`);
    process.exit(1);
  });
  const end = () => {
    if (ending) return;
    ending = true;
    killGroup("SIGTERM");
    // A server that does not take the hint has had its time.
    setTimeout(() => killGroup("SIGKILL"), 20_000).unref();
  };
  process.once("SIGTERM", end);
  process.once("SIGINT", end);
  process.stdin.once("close", end).resume();
  return child;
}

/** Polls until the server says that it is ready. */
export async function untilHealthy(url: string, headers: Record<string, string>): Promise<void> {
  for (;;) {
    const answer = await fetch(url, { headers }).catch(() => null);
    await answer?.body?.cancel();
    if (answer?.ok === true) return;
    await sleep(50);
  }
}
