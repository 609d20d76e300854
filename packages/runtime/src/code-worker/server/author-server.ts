// The server that an author's `start_command` starts: one process from its start, over its first answer, to its end.

import { spawn } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { forward } from "./forward.ts";
import { isListening, listenersOn } from "./listening.ts";

export interface ServerSettings {
  readonly start_command: string;
  readonly port: number;
  /** Paths. */
  readonly predict_endpoint: string;
  readonly readiness_endpoint: string;
  readonly liveness_endpoint: string;
  /** It may take so long until it answers. */
  readonly startup_ms: number;
  /** Silent for so long, it is started again. */
  readonly restart_ms: number;
}

export interface AuthorServer {
  /** Fulfilled with a sentence of how it ended. */
  readonly ended: Promise<string>;
}

const askMs = 200;
const answerMs = 5_000;
/** Of the worker's own, which another one does not need. */
const ownVariables: ReadonlySet<string> = new Set(["NODE_COMPILE_CACHE"]);

/**
 * Resolves once its readiness endpoint answers with 2xx. Fails where it ends before, does not answer in time, or where
 * another program has the port.
 */
export async function startAuthorServer(settings: ServerSettings): Promise<AuthorServer> {
  const { start_command: command, port, readiness_endpoint: path, startup_ms: startupMs } = settings;
  if ((listenersOn(port) ?? []).length > 0)
    throw new Error(
      `docker_server.server_port is ${port}, and another program of this machine listens there. End it (another deployment of this server: corral rm), or give another port.`,
    );
  const child = spawn("/bin/sh", ["-c", command], {
    stdio: ["ignore", "inherit", "inherit"],
    env: Object.fromEntries(Object.entries(process.env).filter(([name]) => !ownVariables.has(name))),
  });
  process.once("exit", () => child.kill("SIGTERM"));
  let end: string | null = null;
  const ended = new Promise<string>((resolve) => {
    child.once("error", (error) =>
      resolve(`docker_server.start_command cannot be started: ${error.message}`),
    );
    child.once("exit", (code, signal) =>
      resolve(`The server of docker_server.start_command ended with ${signal ?? `status ${code}`}.`),
    );
  }).then((reason) => (end = reason));
  const deadline = performance.now() + startupMs;
  for (let last = "nothing listens there"; ;) {
    if (end !== null) throw new Error(end);
    const answer = await ask(port, path);
    if (answer === null) break;
    last = answer;
    if (performance.now() > deadline) {
      child.kill("SIGKILL");
      throw new Error(
        `docker_server: GET ${path} on port ${port} did not answer 2xx within ${startupMs} ms (${last}). Mend server_port or readiness_endpoint, or raise runtime.health_checks.startup_threshold_seconds.`,
      );
    }
    await sleep(askMs);
  }
  const listeners = listenersOn(port);
  if (listeners !== null && !isListening(process.pid, listeners)) {
    child.kill("SIGKILL");
    throw new Error(
      `docker_server.server_port is ${port}, and the program that answers there is not the one that start_command started. Give another port.`,
    );
  }
  if (listeners?.some(({ isOpen }) => isOpen) === true)
    console.warn(
      `The server listens on port ${port} for other machines, too, which need no key there: let it listen on 127.0.0.1.`,
    );
  return { ended };
}

/** Null: 2xx. Else what came instead. */
export async function ask(port: number, path: string): Promise<string | null> {
  try {
    const signal = AbortSignal.timeout(answerMs);
    const request = { method: "GET", path, headers: new Headers(), body: new Uint8Array(), signal };
    const response = await forward(port, request);
    await response.body?.cancel();
    return response.ok ? null : `it answered ${response.status}`;
  } catch (error) {
    return (error as { readonly code?: string }).code ?? String(error);
  }
}
