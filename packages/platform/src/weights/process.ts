// The process that fetches, converts and quantises: started with a config as a file, followed by its lines of JSON.
// It is a program of `runtime`, started and never imported, because it loads native code.

import { spawn } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { constants, setPriority } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { preparationMessageSchema, type PreparationConfig, type PreparationMessage } from "@corral/contract";
import { lineSplitter } from "../replica/lines.ts";
import { createLogTail } from "../replica/log-tail.ts";
import { findSetpriv } from "../replica/process.ts";
import { processStartTime } from "../replica/process-identity.ts";
import { preparationEnvironment } from "./environment.ts";

const preparationMain = fileURLToPath(new URL("../../../runtime/src/preparation/main.ts", import.meta.url));

/** A message is short; a longer line is no message. */
const lineLimitBytes = 64 * 1024;

export interface PreparationProcess {
  readonly pid: number;
  readonly started: string | null;
  /** Settles with a sentence of how it ended, after its last message. */
  readonly ended: Promise<string>;
  kill(signal: "SIGTERM" | "SIGKILL"): void;
}

export type StartPreparation = (
  config: PreparationConfig,
  /** Exists; the config is written there. */
  directory: string,
  onMessage: (message: PreparationMessage) => void,
  onLine: (line: string) => void,
) => Promise<PreparationProcess>;

export interface PreparationOptions {
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** The program to start; tests give another one. */
  readonly main?: string;
}

export function createPreparationDriver({
  environment,
  main = preparationMain,
}: PreparationOptions): StartPreparation {
  const setpriv = findSetpriv(environment["PATH"]);
  return async (config, directory, onMessage, onLine) => {
    const configPath = join(directory, "preparation.json");
    await writeFile(configPath, JSON.stringify(config), { mode: 0o600 });
    const node = [process.execPath, main, "--config", configPath] as const;
    const [program, ...args] =
      setpriv === null ? node : ([setpriv, "--pdeathsig", "KILL", "--", ...node] as const);
    const child = spawn(program, args, {
      cwd: directory,
      env: preparationEnvironment(environment),
      stdio: ["ignore", "pipe", "pipe"],
      detached: true,
    });
    child.stdout.on(
      "data",
      lineSplitter(
        lineLimitBytes,
        (line) => {
          const message = readMessage(line);
          if (message === null) onLine(line);
          else onMessage(message);
        },
        () => child.kill("SIGKILL"),
      ),
    );
    child.stdout.on("error", () => {});
    const tail = createLogTail(onLine);
    tail.follow(child.stderr);
    const ended = new Promise<string>((resolve) => {
      child.once("close", (code, signal) => {
        const how = signal === null ? `exit code ${code ?? "unknown"}` : `killed by ${signal}`;
        const last = tail.lines().findLast((line) => line.trim() !== "");
        const said = last === undefined ? "" : `; its last line was: ${last.slice(0, 500)}`;
        resolve(`The process that prepares the weights ended without a result: ${how}${said}.`);
      });
      child.once("error", (error) =>
        resolve(`The process that prepares the weights cannot be started: ${error.message}.`),
      );
    });
    const pid = await new Promise<number>((resolve, reject) => {
      child.once("error", reject);
      child.once("spawn", () => (child.pid === undefined ? reject(new Error("no pid")) : resolve(child.pid)));
    });
    stepBack(pid);
    return { pid, started: processStartTime(pid), ended, kill: (signal) => void child.kill(signal) };
  };
}

/** Who is being answered comes first: calls are computed on the same cores. */
function stepBack(pid: number): void {
  try {
    setPriority(pid, constants.priority.PRIORITY_BELOW_NORMAL);
  } catch {
    // It may have ended, or the system may not allow it; then it runs like any other.
  }
}

function readMessage(line: string): PreparationMessage | null {
  if (!line.startsWith("{")) return null;
  try {
    return preparationMessageSchema.safeParse(JSON.parse(line)).data ?? null;
  } catch {
    return null;
  }
}
