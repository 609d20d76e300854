// uv where it is, else uv made from the package registry, else pip.

import { mkdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Installer } from "./environment-plan.ts";
import type { Interpreter } from "./interpreter.ts";
import type { RunCommand } from "./run-command.ts";

/** From PyPI, whose wheels hold the program itself. */
export const uvVersion = "0.13.8";
/** The first that knows every option used here: `--relocatable`, `--no-config`, `UV_DEFAULT_INDEX`. */
const oldestUv = [0, 5] as const;
const makingMs = 180_000;

export interface InstallerOptions {
  readonly run: RunCommand;
  readonly variables: Readonly<Record<string, string>>;
  /** Kept from one time to the next. */
  readonly toolDirectory: string;
  readonly interpreter: Interpreter;
  readonly onProgress: (line: string) => void;
  readonly signal?: AbortSignal;
}

export async function findInstaller(options: InstallerOptions): Promise<Installer> {
  const kept = join(options.toolDirectory, `uv-${uvVersion}`, "bin", "uv");
  for (const path of ["uv", kept]) if (await isRecentUv(path, options)) return { kind: "uv", path };
  if (await makeUv(options)) return { kind: "uv", path: kept };
  options.onProgress(
    "uv cannot be installed from the package registry; pip installs instead, which takes longer.",
  );
  return { kind: "pip" };
}

async function isRecentUv(path: string, { run, variables }: InstallerOptions): Promise<boolean> {
  const result = await run(path, ["--version"], { environment: variables, timeoutMs: 10_000 });
  if (result.kind !== "exited" || result.code !== 0) return false;
  const [, major, minor] = /^uv (\d+)\.(\d+)\./m.exec(result.lines.join("\n")) ?? [];
  if (major === undefined || minor === undefined) return false;
  return Number(major) > oldestUv[0] || Number(minor) >= oldestUv[1];
}

type Step = readonly [program: string, args: readonly string[]];

/** Made beside its place and moved there: nobody finds it half made. */
async function makeUv(options: InstallerOptions): Promise<boolean> {
  const { run, variables, toolDirectory, interpreter, onProgress, signal } = options;
  onProgress(`Installing uv ${uvVersion} from the package registry`);
  await mkdir(toolDirectory, { recursive: true });
  const target = join(toolDirectory, `uv-${uvVersion}`);
  const making = `${target}.making-${process.pid}`;
  const runOptions = {
    environment: variables,
    timeoutMs: makingMs,
    ...(signal === undefined ? {} : { signal }),
  };
  const fetch = [
    "-m",
    "pip",
    "install",
    "--no-input",
    "--disable-pip-version-check",
    "--progress-bar",
    "off",
    "--no-deps",
    "--only-binary",
    ":all:",
  ];
  const uv = `uv==${uvVersion}`;
  // A system's Python may come without pip, and another one without what makes environments.
  const withPip: readonly Step[] = [[interpreter.path, [...fetch, "--target", making, uv]]];
  const withVenv: readonly Step[] = [
    [interpreter.path, ["-m", "venv", making]],
    [join(making, "bin", "python"), [...fetch, uv]],
  ];
  async function succeeds(steps: readonly Step[]): Promise<boolean> {
    for (const [program, args] of steps) {
      const result = await run(program, args, runOptions);
      if (result.kind === "exited" && result.code === 0) continue;
      onProgress(result.lines.at(-1) ?? "It ended without a word.");
      return false;
    }
    return true;
  }
  try {
    if (!(await succeeds(withPip)) && !(await succeeds(withVenv))) return false;
    // Another process may have been faster; its uv is as good.
    await rename(making, target).catch(() => undefined);
    return await isRecentUv(join(target, "bin", "uv"), options);
  } finally {
    await rm(making, { recursive: true, force: true });
  }
}
