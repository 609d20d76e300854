// `npm run build:llama-server`: llama-server from the very source that our llama.cpp libraries are built from, as the
// peer of the benchmarks. The source is a git bundle in the npm package of those libraries' maker. Prints the path of
// the binary; one that is there already is not built again.

import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from "node:fs";
import { availableParallelism, setPriority, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { benchHome } from "./bench-home.ts";

/** The package and release that `packages/llama` is pinned to, and the commit that its bundle holds. */
const packageVersion = "node-llama-cpp@3.22.1";
const release = "v0.5.0";
const commit = "de3ff815ea7d559ee917f063901b8986f038abc6";

/** Nothing that needs a network, and the processor at hand as the makers advise. */
const cmakeFlags = [
  "-DCMAKE_BUILD_TYPE=Release",
  "-DBUILD_SHARED_LIBS=OFF",
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

const { values } = parseArgs({
  options: { out: { type: "string" }, jobs: { type: "string" }, keep: { type: "boolean", default: false } },
});
const target = resolve(values.out ?? join(benchHome(), `llama-server-${release}`));
if (!existsSync(target)) {
  refuseMissingTools();
  // It takes long, and whoever works on this machine goes first.
  setPriority(19);
  const directory = mkdtempSync(join(tmpdir(), "corral-llama-server-"));
  try {
    await build(directory, Number(values.jobs ?? Math.min(2, availableParallelism())));
  } finally {
    if (values.keep) process.stderr.write(`kept ${directory}\n`);
    else rmSync(directory, { recursive: true, force: true });
  }
}
process.stdout.write(`${target}\n`);

async function build(directory: string, jobCount: number): Promise<void> {
  const source = join(directory, "source");
  const binaries = join(directory, "build");
  await run("npm", ["pack", packageVersion, "--silent", "--pack-destination", directory]);
  const archive = readdirSync(directory).find((name) => name.endsWith(".tgz"));
  if (archive === undefined) throw new Error(`npm packed no ${packageVersion}`);
  const bundle = "package/llama/gitRelease.bundle";
  await run("tar", ["-xzf", join(directory, archive), "-C", directory, bundle]);
  await run("git", ["clone", "--quiet", "-c", "advice.detachedHead=false", join(directory, bundle), source]);
  const head = execFileSync("git", ["-C", source, "rev-parse", "HEAD"], { encoding: "utf8" }).trim();
  if (head !== commit) throw new Error(`the bundle holds ${head}, and ${release} is ${commit}`);
  await run("cmake", ["-G", "Ninja", "-S", source, "-B", binaries, ...cmakeFlags]);
  await run("cmake", ["--build", binaries, "--target", "llama-server", "--parallel", String(jobCount)]);
  mkdirSync(resolve(target, ".."), { recursive: true });
  // Under its name only when it is whole.
  copyFileSync(join(binaries, "bin/llama-server"), `${target}.part`);
  renameSync(`${target}.part`, target);
}

function refuseMissingTools(): void {
  const missing = Object.entries(tools).filter(
    ([program]) => spawnSync(program, ["--version"], { stdio: "ignore" }).status !== 0,
  );
  if (missing.length === 0) return;
  const names = missing.map(([program]) => program).join(", ");
  const packages = missing.map(([, name]) => name).join(" ");
  process.stderr.write(
    `llama-server cannot be built: ${names} missing. On Debian: apt-get install ${packages}\n`,
  );
  process.exit(1);
}

/** What a tool prints is progress, and goes to stderr. */
async function run(command: string, args: readonly string[]): Promise<void> {
  const child = spawn(command, args, { stdio: ["ignore", 2, 2] });
  const [code] = (await once(child, "exit")) as [number | null];
  if (code !== 0) throw new Error(`${command} ${args[0] ?? ""} ended with ${code}`);
}
