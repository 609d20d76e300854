// A process that reads code files with Node's parsers and runs nothing of them: each line of standard input is a job, each
// line of standard output its problems, both as JSON. It ends with its input. Started by `syntax-process.ts` alone.

import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { stripTypeScriptTypes } from "node:module";
import { join } from "node:path";
import { createInterface } from "node:readline";
import vm from "node:vm";

export interface SyntaxJob {
  readonly directory: string;
  /** In the directory. */
  readonly paths: readonly string[];
}

export interface SyntaxProblem {
  readonly path: string;
  /** From 1; null where it is not known. */
  readonly line: number | null;
  /** `unsupported`: TypeScript that is more than types. */
  readonly kind: "unsupported" | "invalid";
  readonly message: string;
}

/** More than these nobody reads at once. */
const mostProblems = 20;
const longestMessage = 500;
const checkMs = 10_000;

function problemOf(directory: string, path: string): SyntaxProblem | null {
  const text = readFileSync(join(directory, path), "utf8");
  let plain: string;
  try {
    plain = /\.[mc]?ts$/.test(path) ? stripTypeScriptTypes(text, { sourceUrl: path }) : text;
  } catch (error) {
    return stripProblem(path, error as Error & { readonly code?: string });
  }
  if (path.endsWith(".cts")) return null;
  try {
    // Compiled and never linked, so nothing of it can run.
    void new vm.SourceTextModule(plain);
    return null;
  } catch (error) {
    const { message } = error as Error;
    return { path, line: lineByCheck(plain), kind: "invalid", message: message.slice(0, longestMessage) };
  }
}

function stripProblem(path: string, error: Error & { readonly code?: string }): SyntaxProblem {
  const { code, message, stack = "" } = error;
  if (code?.endsWith("_TYPESCRIPT_SYNTAX") !== true) {
    return {
      path,
      line: null,
      kind: "invalid",
      message: "It could not be read; it may be nested too deeply",
    };
  }
  const first = stack.split("\n", 1)[0] ?? "";
  const line = first.startsWith(`${path}:`) ? Number(first.slice(path.length + 1)) : null;
  const kind = code === "ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX" ? "unsupported" : "invalid";
  return { path, line, kind, message: message.slice(0, longestMessage) };
}

/** The compiler's error does not tell where; `node --check` does, and it runs nothing either. */
function lineByCheck(text: string): number | null {
  const { stderr } = spawnSync(process.execPath, ["--check", "--input-type=module", "-"], {
    input: text,
    encoding: "utf8",
    timeout: checkMs,
    env: {},
  });
  const line = /^\[stdin\]:(\d+)/.exec(stderr ?? "")?.[1];
  return line === undefined ? null : Number(line);
}

function problemsOf({ directory, paths }: SyntaxJob): SyntaxProblem[] {
  const problems: SyntaxProblem[] = [];
  for (const path of paths) {
    const problem = problems.length < mostProblems ? problemOf(directory, path) : null;
    if (problem !== null) problems.push(problem);
  }
  return problems;
}

for await (const line of createInterface({ input: process.stdin }))
  process.stdout.write(`${JSON.stringify(problemsOf(JSON.parse(line) as SyntaxJob))}\n`);
