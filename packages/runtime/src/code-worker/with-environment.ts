// A program started through others, with an environment that is its own alone: a search path or a preloaded library of
// the author's must not get into the programs that limit and isolate the author's code.

import { fileURLToPath } from "node:url";
import { findProgram } from "./find-program.ts";

export interface OwnEnvironment {
  /** To put right before the program. */
  readonly words: readonly string[];
  /** For the standard input of the first program. */
  readonly input: string;
}

const script = fileURLToPath(new URL("with-environment.sh", import.meta.url));
/** Those that a shell cannot set. */
const ofShells: ReadonlySet<string> = new Set([
  "BASHOPTS",
  "BASH_VERSINFO",
  "EUID",
  "PPID",
  "SHELLOPTS",
  "UID",
  "_",
]);

/** Null where the system has not what it takes. @param path where helpers are looked for */
export function withEnvironment(
  environment: Readonly<Record<string, string>>,
  path: string,
): OwnEnvironment | null {
  const shell = findProgram("sh", path);
  const env = findProgram("env", path);
  if (shell === null || env === null) return null;
  const isPlain = (name: string) => /^[A-Za-z_]\w*$/.test(name) && !ofShells.has(name);
  const entries = Object.entries(environment);
  const plain = entries.filter(([name]) => isPlain(name));
  const odd = entries.filter(([name]) => !isPlain(name)).map(([name, value]) => quoted(`${name}=${value}`));
  const lines = plain.map(([name, value]) => `export ${name}=${quoted(value)}\n`);
  const others = odd.length === 0 ? "" : `set -- ${quoted(env)} ${odd.join(" ")} "$@"\n`;
  return { words: [shell, script], input: `${lines.join("")}${others}` };
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
