// Short-lived commands: started, waited for, and ended with us.

import { spawn } from "node:child_process";

export interface CommandResult {
  /** The exit status, the signal's name, or the code that starting it failed with ("ENOENT"). */
  readonly code: number | string;
  /** What it wrote on stdout and stderr together. */
  readonly output: string;
}

export interface CommandOptions {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly uid?: number;
  readonly gid?: number;
  /** An open file that the command gets as its descriptor 3. */
  readonly descriptor?: number;
}

export function run(
  program: string,
  args: readonly string[],
  { descriptor, ...options }: CommandOptions = {},
): Promise<CommandResult> {
  const { promise, resolve } = Promise.withResolvers<CommandResult>();
  const child = spawn(program, args, {
    ...options,
    stdio: ["ignore", "pipe", "pipe", ...(descriptor === undefined ? [] : [descriptor])],
  });
  let output = "";
  const collect = (chunk: Buffer) => {
    output += chunk.toString();
  };
  child.stdout?.on("data", collect);
  child.stderr?.on("data", collect);
  child.on("error", (error: NodeJS.ErrnoException) =>
    resolve({ code: error.code ?? "error", output: error.message }),
  );
  child.on("close", (code, signal) => resolve({ code: code ?? signal ?? "error", output: output.trim() }));
  return promise;
}
