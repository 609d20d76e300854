// The command line as a function of its surroundings: arguments in, exit code out. Owns the order in which a command
// is parsed, run and explained; main.ts gives it the real process.

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { createClient, type Client } from "@corral/client";
import { CommanderError } from "commander";
import type { CommandDefinition, CommandGroup, Context, Options } from "./command.ts";
import { textOption } from "./command.ts";
import { adapters } from "./commands/adapters.ts";
import { client } from "./commands/client.ts";
import { deploy } from "./commands/deploy.ts";
import { gc } from "./commands/gc.ts";
import { init } from "./commands/init.ts";
import { keys } from "./commands/keys.ts";
import { logs } from "./commands/logs.ts";
import { ls } from "./commands/ls.ts";
import { predict } from "./commands/predict.ts";
import { prices } from "./commands/prices.ts";
import { project } from "./commands/project.ts";
import { push } from "./commands/push.ts";
import { quantize } from "./commands/quantize.ts";
import { rm } from "./commands/rm.ts";
import { secrets } from "./commands/secrets.ts";
import { runs } from "./commands/runs.ts";
import { truss } from "./commands/truss.ts";
import { up } from "./commands/up.ts";
import { usage } from "./commands/usage.ts";
import { watch } from "./commands/watch.ts";
import { weights } from "./commands/weights.ts";
import { resolveApiKey, resolveUrl } from "./credentials.ts";
import { explain, explainAsJson } from "./explain.ts";
import { exitCodeOf, exitCodes, Interrupted } from "./exit-codes.ts";
import { platformMain } from "./platform-process.ts";
import { createProgram, exitCodeOfCommander } from "./program.ts";
import { canSpin, lineProgress, silentProgress, spinnerProgress } from "./progress.ts";

export const commands: readonly (CommandDefinition | CommandGroup)[] = [
  up,
  deploy,
  init,
  push,
  watch,
  quantize,
  predict,
  client,
  ls,
  logs,
  runs,
  weights,
  adapters,
  keys,
  usage,
  prices,
  secrets,
  project,
  gc,
  truss,
  rm,
];

/** A terminal, a pipe, or what a test collects. */
export interface Sink {
  readonly isTTY?: boolean;
  write(text: string): unknown;
}

export interface Surroundings {
  readonly args: readonly string[];
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly directory: string;
  readonly stdout: Sink;
  readonly stderr: Sink;
  readonly signal: AbortSignal;
  /** Whether somebody can be asked. Default: nobody. */
  readonly stdinIsTerminal?: boolean;
  readStdin(): Promise<string>;
  /** The file that `up` runs; default: the platform's own. */
  readonly platformMain?: string;
}

const checkout = fileURLToPath(new URL("../../..", import.meta.url)).replace(/\/$/, "");

/** Runs one command line; never throws. */
export async function runCli(surroundings: Surroundings): Promise<number> {
  const { args, stdout, stderr, environment } = surroundings;
  let code: number = exitCodes.ok;
  let format = "text" as "text" | "json";
  const program = createProgram(
    commands,
    ownVersion(),
    async (command, values, options) => {
      format = options["output"] === "json" ? "json" : "text";
      const context = createContext(surroundings, options, format);
      code = (await command.run(context, values, options)) ?? exitCodes.ok;
    },
    { out: (text) => void stdout.write(text), err: (text) => void stderr.write(text) },
  );
  try {
    await program.parseAsync(args, { from: "user" });
    return code;
  } catch (error) {
    if (error instanceof CommanderError) return exitCodeOfCommander(error);
    const shown = surroundings.signal.aborted ? new Interrupted("Interrupted.") : error;
    stderr.write(format === "json" ? `${explainAsJson(shown)}\n` : `corral: ${explain(shown)}\n`);
    if (environment["CORRAL_DEBUG"] && error instanceof Error) stderr.write(`${String(error.stack)}\n`);
    return exitCodeOf(shown);
  }
}

function createContext(surroundings: Surroundings, options: Options, format: "text" | "json"): Context {
  const { stdout, stderr, environment, directory, signal } = surroundings;
  const sources = {
    flags: { url: textOption(options, "url"), apiKey: textOption(options, "apiKey") },
    environment,
    directory,
    checkout,
    readText: readTextOrNull,
  };
  const url = resolveUrl(sources);
  const note = (text: string) => {
    if (format === "text") stderr.write(`${text}\n`);
  };
  let client: Client | null = null;
  const apiKey = () => resolveApiKey(url, sources);
  return {
    url,
    format,
    client: () => (client ??= createClient({ url, apiKey: apiKey().key })),
    keyInShell: () => apiKey().inShell,
    print(value, text) {
      const shown = format === "json" ? JSON.stringify(value, null, 2) : text();
      if (shown !== "") stdout.write(`${shown}\n`);
    },
    write: (text) => void stdout.write(text),
    note,
    progress:
      format === "json"
        ? silentProgress
        : stderr === process.stderr && canSpin(process.stderr, environment)
          ? spinnerProgress(process.stderr)
          : lineProgress(note),
    environment,
    directory,
    terminal: stdout.isTTY === true,
    signal,
    platformMain: surroundings.platformMain ?? platformMain,
    stdinIsTerminal: surroundings.stdinIsTerminal ?? false,
    readStdin: () => surroundings.readStdin(),
  };
}

function readTextOrNull(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null;
  }
}

function ownVersion(): string {
  const text = readFileSync(new URL("../package.json", import.meta.url), "utf8");
  return (JSON.parse(text) as { version: string }).version;
}
