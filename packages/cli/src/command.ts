// A command is data: what it is called, what it takes, how it is explained, what it does. Commander is made of it
// in program.ts; a command file knows neither commander nor process.

import type { Client } from "@corral/client";
import type { Progress } from "./progress.ts";

export interface CommandDefinition {
  readonly name: string;
  readonly summary: string;
  /** Whole sentences after the summary. */
  readonly details?: string;
  readonly arguments?: readonly { readonly name: string; readonly summary: string }[];
  readonly options?: readonly CommandOption[];
  /** Command lines and what they do. */
  readonly examples: readonly (readonly [line: string, does: string])[];
  run(context: Context, args: readonly (string | undefined)[], options: Options): Promise<ExitStatus>;
}

/** Commands under one word: `corral keys create`. */
export interface CommandGroup {
  readonly name: string;
  readonly summary: string;
  readonly commands: readonly CommandDefinition[];
}

export interface CommandOption {
  /** As commander writes it: `-d, --data <json>`, `--no-wait`. */
  readonly flags: string;
  readonly summary: string;
  readonly choices?: readonly string[];
  /** May be given several times. */
  readonly repeatable?: boolean;
}

export type Options = Readonly<Record<string, string | boolean | readonly string[] | undefined>>;
/** Nothing: it worked. */
export type ExitStatus = number | void;

export interface Context {
  /** Where the platform is, without a trailing slash. */
  readonly url: string;
  readonly format: "text" | "json";
  /** Made at the first use; fails with `unauthenticated` where no key is found. */
  client(): Client;
  /** What stands for the API key in a line to paste into a shell. */
  keyInShell(): string;
  /** The one thing that is written to stdout: `value` as JSON, or the text. */
  print(value: unknown, text: () => string): void;
  /** Data on stdout as it comes, without a line's end. */
  write(text: string): void;
  /** A sentence on stderr; left out of JSON output. */
  note(text: string): void;
  readonly progress: Progress;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly directory: string;
  /** Whether stdout is a terminal. */
  readonly terminal: boolean;
  /** Aborted by the first SIGINT or SIGTERM. */
  readonly signal: AbortSignal;
  /** The file that `up` runs. */
  readonly platformMain: string;
  /** Whether somebody types there. */
  readonly stdinIsTerminal: boolean;
  readStdin(): Promise<string>;
}

export function textOption(options: Options, name: string): string | undefined {
  const value = options[name];
  return typeof value === "string" ? value : undefined;
}

export function listOption(options: Options, name: string): readonly string[] | undefined {
  const value = options[name];
  return Array.isArray(value) ? (value as readonly string[]) : undefined;
}

export function required(args: readonly (string | undefined)[], index: number): string {
  const value = args[index];
  if (value === undefined) throw new TypeError(`argument ${index} is declared optional but needed`);
  return value;
}
