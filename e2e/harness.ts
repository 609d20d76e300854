// Starts and stops a whole Corral for a story: through the `corral` command and HTTP only, in a home and on a
// port of its own. Knows nothing of what is inside.

import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

export const repository = fileURLToPath(new URL("..", import.meta.url));
const corralCommand = join(repository, "packages/cli/bin/corral.cjs");

export interface Corral {
  readonly url: string;
  readonly home: string;
  /** The admin key of this home. */
  readonly key: string;
  readonly process: ChildProcess;
  /** What `corral up` printed so far: stdout and stderr. */
  output(): string;
  /** The next `fetch` of a path, with the admin key unless `headers` say otherwise. */
  request(path: string, init?: RequestInit): Promise<Response>;
  post(path: string, body: unknown, init?: RequestInit): Promise<Response>;
  /** Runs `corral ARGUMENTS…` against this instance. */
  cli(...args: string[]): Promise<CommandResult>;
  /** Ends it in the ordinary way (SIGTERM) and gives the exit code. */
  stop(): Promise<number | null>;
  [Symbol.asyncDispose](): Promise<void>;
}

export interface CommandResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface StartOptions {
  /** Keep the home of an earlier instance; it is then not removed at the end. */
  readonly home?: string;
  readonly quickstart?: boolean;
  /** Default: a free one. */
  readonly port?: number;
  readonly env?: Readonly<Record<string, string>>;
}

/** Starts Corral and waits until it is ready; fails with everything it printed after two minutes. */
export async function startCorral(options: StartOptions = {}): Promise<Corral> {
  const home = options.home ?? (await mkdtemp(join(tmpdir(), "corral-e2e-")));
  const port = options.port ?? (await freePort());
  const url = `http://127.0.0.1:${port}`;
  const args = [
    "up",
    "--home",
    home,
    "--port",
    String(port),
    ...(options.quickstart === false ? [] : ["--quickstart"]),
  ];
  const [command = "", ...words] = [...endingWithParent(), process.execPath, corralCommand, ...args];
  const child = spawn(command, words, {
    cwd: home,
    env: { ...cleanEnvironment(), ...options.env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (output += chunk.toString()));
  const exited = once(child, "exit").then(([code]) => code as number | null);

  const ended = () => child.exitCode !== null || child.signalCode !== null;
  await waitUntil(`${url}/readyz answers 200`, 120_000, async () => {
    if (ended()) throw new Error(`corral up ended with ${child.exitCode ?? child.signalCode}:\n${output}`);
    return (await fetch(`${url}/readyz`).catch(() => null))?.status === 200;
  }).catch((error: unknown) => {
    child.kill("SIGKILL");
    throw new Error(`Corral did not become ready:\n${output}`, { cause: error });
  });
  const key = options.env?.["CORRAL_API_KEY"] ?? (await readFile(join(home, "admin-key"), "utf8")).trim();

  const request = (path: string, init: RequestInit = {}) =>
    fetch(`${url}${path}`, {
      ...init,
      headers: { authorization: `Api-Key ${key}`, ...toRecord(init.headers) },
    });
  const stop = async () => {
    if (!ended()) child.kill("SIGTERM");
    return exited;
  };
  return {
    url,
    home,
    key,
    process: child,
    output: () => output,
    request,
    post: (path, body, init = {}) =>
      request(path, {
        method: "POST",
        ...init,
        headers: { "content-type": "application/json", ...toRecord(init.headers) },
        body: typeof body === "string" ? body : JSON.stringify(body),
      }),
    cli: (...args) =>
      runCommand(process.execPath, [corralCommand, ...args], { CORRAL_URL: url, CORRAL_API_KEY: key }),
    stop,
    async [Symbol.asyncDispose]() {
      await stop();
      if (options.home === undefined) await rm(home, { recursive: true, force: true });
    },
  };
}

/** Words before a command: it ends when this process was killed, in the ordinary way, where util-linux can see to it. */
export function endingWithParent(): readonly string[] {
  const words = ["setpriv", "--pdeathsig", "TERM", "--"];
  canEndWithParent ??= spawnSync("setpriv", [...words.slice(1), "true"], { stdio: "ignore" }).status === 0;
  return canEndWithParent ? words : [];
}
let canEndWithParent: boolean | undefined;

/** `corral watch DIRECTORY --output json`, event by event. */
export interface Watch {
  /** The next event of a kind; those of other kinds before it are passed over. */
  event(kind: string, patienceMs?: number): Promise<Readonly<Record<string, unknown>>>;
  /** Ctrl-C; gives the exit code. */
  stop(): Promise<number | null>;
}

export function startWatch(corral: Pick<Corral, "url" | "key">, directory: string, ...args: string[]): Watch {
  const child = spawn(process.execPath, [corralCommand, "watch", directory, "--output", "json", ...args], {
    env: { ...cleanEnvironment(), CORRAL_URL: corral.url, CORRAL_API_KEY: corral.key },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let errors = "";
  child.stderr.on("data", (chunk: Buffer) => (errors += chunk.toString()));
  const events: Record<string, unknown>[] = [];
  let rest = "";
  child.stdout.on("data", (chunk: Buffer) => {
    const lines = (rest + chunk.toString()).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) events.push(JSON.parse(line) as Record<string, unknown>);
  });
  const exited = once(child, "exit").then(([code]) => code as number | null);
  let seen = 0;
  return {
    async event(kind, patienceMs = 30_000) {
      let found: Readonly<Record<string, unknown>> | undefined;
      const passed = () => JSON.stringify(events.slice(-5));
      await waitUntil(`corral watch tells of ${kind}`, patienceMs, () => {
        if (child.exitCode !== null) throw new Error(`corral watch ended with ${child.exitCode}: ${errors}`);
        const index = events.findIndex((event, at) => at >= seen && event["event"] === kind);
        if (index < 0) return false;
        seen = index + 1;
        found = events[index];
        return true;
      }).catch((cause: unknown) => {
        throw new Error(`${String(cause)}; it told ${passed()} and ${errors}`, { cause });
      });
      return found ?? {};
    },
    async stop() {
      if (child.exitCode === null) child.kill("SIGINT");
      return exited;
    },
  };
}

export async function runCommand(
  command: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<CommandResult> {
  const child = spawn(command, args, {
    env: { ...cleanEnvironment(), ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
  const [code] = (await once(child, "close")) as [number | null];
  return { code, stdout, stderr };
}

/** Polls until the condition holds; the message says what was waited for. */
export async function waitUntil(
  what: string,
  timeoutMs: number,
  condition: () => Promise<boolean> | boolean,
): Promise<void> {
  const end = Date.now() + timeoutMs;
  while (!(await condition())) {
    if (Date.now() > end) throw new Error(`waited ${timeoutMs} ms in vain until ${what}`);
    await sleep(50);
  }
}

/** A request body's answer as JSON, failing with the text where it is none. */
export async function json<T>(response: Response): Promise<T> {
  const text = await response.text();
  try {
    return JSON.parse(text) as T;
  } catch (cause) {
    throw new Error(`HTTP ${response.status} and not JSON: ${text.slice(0, 500)}`, { cause });
  }
}

/** The environment without what would lead a story to somebody's real home, key or database. */
function cleanEnvironment(): Record<string, string> {
  const foreign = /^(CORRAL_|DATABASE_URL$|HF_|PG)/;
  return Object.fromEntries(
    Object.entries(process.env).filter(
      (entry): entry is [string, string] => entry[1] !== undefined && !foreign.test(entry[0]),
    ),
  );
}

function toRecord(headers: RequestInit["headers"]): Record<string, string> {
  return Object.fromEntries(new Headers(headers).entries());
}

export async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
