// The Pythons on this machine: on the path, where pyenv, uv and the system keep them. Each is asked what it is.

import { readdir, realpath } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { z } from "zod";
import type { Interpreter } from "./interpreter.ts";
import type { RunCommand } from "./run-command.ts";

export interface FindOptions {
  readonly run: RunCommand;
  /** The operator's own: `PATH`, `HOME`, `PYENV_ROOT`, `UV_PYTHON_INSTALL_DIR`. */
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** `python3`, `python3.11`; neither `python3-config` nor `python3.11-intel64`. */
const programName = /^python3(\.\d{1,2})?$/;
/** On a machine that is busy to its limits the first start of a Python takes its time. */
const probeMs = 60_000;
const probe = [
  "import json, sys, sysconfig",
  "print(json.dumps({'version': sys.version_info[:3], 'platform': sysconfig.get_platform(),",
  "    'implementation': sys.implementation.name, 'base': sys.prefix == sys.base_prefix}))",
].join("\n");
const probed = z.object({
  version: z.tuple([z.int(), z.int(), z.int()]),
  platform: z.string(),
  implementation: z.string(),
  base: z.boolean(),
});

/** In no particular order; each program once, whatever its names. */
export async function findInterpreters(options: FindOptions): Promise<Interpreter[]> {
  const programs = new Set<string>();
  for (const directory of await binDirectories(options.environment)) {
    for (const name of await names(directory)) {
      if (!programName.test(name)) continue;
      const path = await realpath(join(directory, name)).catch(() => null);
      // Shims ask a file in the working directory which version to run.
      if (path !== null && !path.includes("/shims/")) programs.add(path);
    }
  }
  const asked = await Promise.all([...programs].map((path) => ask(path, options.run)));
  return asked.filter((interpreter) => interpreter !== null);
}

async function binDirectories(environment: FindOptions["environment"]): Promise<string[]> {
  const home = environment["HOME"];
  const onPath = (environment["PATH"] ?? "")
    .split(delimiter)
    .filter((directory) => directory.startsWith("/"));
  const system = ["/usr/local/bin", "/usr/bin", "/opt/homebrew/bin"];
  const kept = [
    environment["PYENV_ROOT"] === undefined ? home && join(home, ".pyenv") : environment["PYENV_ROOT"],
  ].map((root) => root && join(root, "versions"));
  kept.push(environment["UV_PYTHON_INSTALL_DIR"] ?? (home && join(home, ".local/share/uv/python")));
  const versions: string[] = [];
  for (const directory of kept) {
    if (directory === undefined || directory === "") continue;
    for (const name of await names(directory)) versions.push(join(directory, name, "bin"));
  }
  return [...new Set([...onPath, ...system, ...versions])];
}

async function names(directory: string): Promise<readonly string[]> {
  return await readdir(directory).catch(() => []);
}

/** Null for what is no CPython, does not start, or belongs to somebody's environment. */
async function ask(path: string, run: RunCommand): Promise<Interpreter | null> {
  const result = await run(path, ["-I", "-c", probe], { environment: {}, timeoutMs: probeMs });
  if (result.kind !== "exited" || result.code !== 0) return null;
  try {
    const found = probed.parse(JSON.parse(result.lines.at(-1) ?? ""));
    if (found.implementation !== "cpython" || !found.base) return null;
    return { path, version: found.version, platform: found.platform };
  } catch {
    return null;
  }
}
