// Builds from the very source that our llama.cpp libraries are built from: a git bundle in the npm package of their
// maker, so that nothing comes from anywhere but the package registry.

import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { availableParallelism, setPriority, tmpdir } from "node:os";
import { join } from "node:path";

/** The package and release that `packages/llama` is pinned to, and the commit that its bundle holds. */
const packageVersion = "node-llama-cpp@3.22.1";
export const release = "v0.5.0";
const commit = "de3ff815ea7d559ee917f063901b8986f038abc6";

/** Nothing that needs a network, and the processor at hand as the makers advise. */
const commonFlags = [
  "-DCMAKE_BUILD_TYPE=Release",
  "-DGGML_NATIVE=ON",
  "-DLLAMA_OPENSSL=OFF",
  "-DLLAMA_BUILD_TESTS=OFF",
  "-DLLAMA_BUILD_EXAMPLES=OFF",
  "-DLLAMA_BUILD_APP=OFF",
  "-DLLAMA_BUILD_UI=OFF",
  "-DLLAMA_USE_PREBUILT_UI=OFF",
];

/** Program → the Debian package that has it. */
const tools = { git: "git", cmake: "cmake", ninja: "ninja-build", "g++": "g++" };

export interface LlamaBuild {
  /** What of it is built: a target of its CMake files. */
  readonly target: string;
  readonly cmakeFlags: readonly string[];
  /** Files compiled at once; default: two, or as many as there are processors. */
  readonly jobs: string | undefined;
  /** Whether source and objects stay when it is done. */
  readonly keep: boolean;
  /** Changes the source before it is built. Default: nothing. */
  readonly change?: (source: string) => void;
  /** Takes what it needs out of the directory of binaries. */
  readonly install: (binaries: string) => void;
}

/** Takes minutes; what the tools print goes to stderr. Ends the process with 1 where one of them is missing. */
export async function buildLlama(build: LlamaBuild): Promise<void> {
  const { target, cmakeFlags, jobs, keep, change, install } = build;
  refuseMissingTools(target);
  // It takes long, and whoever works on this machine goes first.
  setPriority(19);
  const directory = mkdtempSync(join(tmpdir(), "corral-llama-build-"));
  const source = join(directory, "source");
  const binaries = join(directory, "build");
  const jobCount = jobs ?? String(Math.min(2, availableParallelism()));
  try {
    await fetchSource(directory, source);
    change?.(source);
    await run("cmake", ["-G", "Ninja", "-S", source, "-B", binaries, ...commonFlags, ...cmakeFlags]);
    await run("cmake", ["--build", binaries, "--target", target, "--parallel", jobCount]);
    install(join(binaries, "bin"));
  } finally {
    if (keep) process.stderr.write(`kept ${directory}\n`);
    else rmSync(directory, { recursive: true, force: true });
  }
}

async function fetchSource(directory: string, source: string): Promise<void> {
  await run("npm", ["pack", packageVersion, "--silent", "--pack-destination", directory]);
  const archive = readdirSync(directory).find((name) => name.endsWith(".tgz"));
  if (archive === undefined) throw new Error(`npm packed no ${packageVersion}`);
  const bundle = "package/llama/gitRelease.bundle";
  await run("tar", ["-xzf", join(directory, archive), "-C", directory, bundle]);
  await run("git", ["clone", "--quiet", "-c", "advice.detachedHead=false", join(directory, bundle), source]);
  const head = execFileSync("git", ["-C", source, "rev-parse", "HEAD"], { encoding: "utf8" }).trim();
  if (head !== commit) throw new Error(`the bundle holds ${head}, and ${release} is ${commit}`);
}

function refuseMissingTools(target: string): void {
  const missing = Object.entries(tools).filter(
    ([program]) => spawnSync(program, ["--version"], { stdio: "ignore" }).status !== 0,
  );
  if (missing.length === 0) return;
  const names = missing.map(([program]) => program).join(", ");
  const packages = missing.map(([, name]) => name).join(" ");
  process.stderr.write(
    `${target} cannot be built: ${names} missing. On Debian: apt-get install ${packages}\n`,
  );
  process.exit(1);
}

/** What a tool prints is progress, and goes to stderr. */
async function run(command: string, args: readonly string[]): Promise<void> {
  const child = spawn(command, args, { stdio: ["ignore", 2, 2] });
  const [code] = (await once(child, "exit")) as [number | null];
  if (code !== 0) throw new Error(`${command} ${args[0] ?? ""} ended with ${code}`);
}
