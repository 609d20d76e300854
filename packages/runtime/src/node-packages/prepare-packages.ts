// A bundle's package.json → a directory with its packages: found by its name, or made beside its place and moved there
// when it is whole. Knows nothing of the code that will use them.

import { ServingError } from "@corral/contract";
import { createHash, randomBytes } from "node:crypto";
import { cp, mkdir, readdir, readFile, rename, rm, stat, utimes, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { runCommand, type RunCommand } from "../python-environment/run-command.ts";
import { findNpm, installWords, npmVariables, type Npm } from "./npm.ts";
import { readPackageFiles, type PackageFiles } from "./package-files.ts";

export interface PreparePackagesOptions {
  /** `CORRAL_HOME/node-packages`: installed packages of all models, and npm's cache. */
  readonly directory: string;
  /** The operator's own; only what npm needs of it is passed on. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** One line for people who wait. */
  readonly onProgress: (line: string) => void;
  readonly signal?: AbortSignal;
  readonly run?: RunCommand;
}

export interface NodePackages {
  /** Holds `node_modules`. */
  readonly directory: string;
  /** Whether it was there already. */
  readonly reused: boolean;
}

const installMs = 15 * 60_000;
const readyFile = "corral-packages.json";
/** Changed when what is installed for the same files changes. */
const format = 1;
/** What is being made and has not been touched for so long has been left by a process that died. */
const leftoverMs = 24 * 3_600_000;
const lockName = "package-lock.json";
const mostSaidLines = 12;
const mostTextBytes = 16 * 1024 ** 2;

/**
 * Null where the bundle asks for none. Fails with `invalid_bundle`, or with `environment_failed` and what npm said.
 */
export async function prepareNodePackages(
  bundleDirectory: string,
  options: PreparePackagesOptions,
): Promise<NodePackages | null> {
  const { directory, onProgress } = options;
  const packageText = await readText(bundleDirectory, "package.json");
  if (packageText === null) return null;
  const files = readPackageFiles(packageText, await readText(bundleDirectory, lockName));
  if (files === null) return null;
  const place = join(directory, "installed", await keyOf(files, bundleDirectory));
  // The age of what is unused tells what may be removed. First, so that what is found to be ready stays.
  await utimes(place, new Date(), new Date()).catch(() => undefined);
  if (await isReady(place)) return { directory: place, reused: true };
  for (const other of ["yarn.lock", "pnpm-lock.yaml", "npm-shrinkwrap.json"]) {
    if (files.lockText === null && (await exists(join(bundleDirectory, other))))
      onProgress(`${other} is not read: npm installs, from package.json and ${lockName}.`);
  }
  const npm = findNpm(options.environment["PATH"] ?? "");
  if (npm === null) {
    throw new ServingError(
      "environment_failed",
      "package.json asks for packages, and there is no npm on the platform's machine. Install npm, or put the code into the bundle.",
    );
  }
  await mkdir(dirname(place), { recursive: true });
  await removeLeftovers(dirname(place));
  const making = `${place}.making-${process.pid}-${randomBytes(4).toString("hex")}`;
  try {
    await install(files, bundleDirectory, making, npm, options);
    await moveInto(making, place);
  } finally {
    await rm(making, { recursive: true, force: true });
  }
  return { directory: place, reused: false };
}

async function install(
  { packageText, lockText, localPaths }: PackageFiles,
  bundleDirectory: string,
  making: string,
  npm: Npm,
  { directory, environment, onProgress, signal, run = runCommand }: PreparePackagesOptions,
): Promise<void> {
  const home = join(directory, "home");
  await mkdir(home, { recursive: true });
  await mkdir(making);
  await writeFile(join(making, "package.json"), packageText);
  if (lockText !== null) await writeFile(join(making, lockName), lockText);
  for (const path of localPaths)
    await cp(join(bundleDirectory, path), join(making, path), { recursive: true });
  const words = installWords(lockText !== null);
  // Of a failure npm says first what is wrong, then for long how it is used.
  const said: string[] = [];
  const title = `npm ${words[0]} of package.json's dependencies, without their scripts`;
  onProgress(title);
  const result = await run(process.execPath, [npm.script, ...words], {
    directory: making,
    environment: npmVariables(environment, npm, { home, cache: join(directory, "cache") }),
    timeoutMs: installMs,
    onLine(line) {
      if (/^npm error \S/.test(line) && said.length < mostSaidLines) said.push(line);
      onProgress(line);
    },
    ...(signal === undefined ? {} : { signal }),
  });
  if (signal?.aborted === true) throw new ServingError("shutting_down", "The installation was given up.");
  if (result.kind === "lost" || result.code !== 0) {
    const how = result.kind === "lost" ? result.reason : `ended with exit code ${result.code}`;
    const lines = said.length === 0 ? "" : ` It said:\n${said.join("\n")}`;
    throw new ServingError("environment_failed", `${title} failed: npm ${how}.${lines}`);
  }
  await writeFile(join(making, readyFile), JSON.stringify({ format, node: process.version }));
}

/** Native parts of packages are those of one platform and one ABI of Node. */
async function keyOf(files: PackageFiles, bundleDirectory: string): Promise<string> {
  const hash = createHash("sha256");
  const { packageText, lockText, localPaths } = files;
  const abi = [process.platform, process.arch, process.versions.modules];
  hash.update(JSON.stringify([format, ...abi, packageText, lockText]));
  for (const path of localPaths) await hashTree(hash, bundleDirectory, path);
  return hash.digest("hex").slice(0, 32);
}

async function hashTree(
  hash: ReturnType<typeof createHash>,
  bundleDirectory: string,
  path: string,
): Promise<void> {
  const full = join(bundleDirectory, path);
  const found = await stat(full).catch(() => null);
  if (found === null) {
    throw new ServingError(
      "invalid_bundle",
      `package.json names file:${path}, but there is no such file or directory in the bundle.`,
    );
  }
  hash.update(JSON.stringify([path, found.isDirectory()]));
  if (!found.isDirectory()) {
    hash.update(await readFile(full));
    return;
  }
  const names = await readdir(full);
  for (const name of names.sort((a, b) => (a < b ? -1 : 1)))
    if (name !== "node_modules") await hashTree(hash, bundleDirectory, `${path}/${name}`);
}

async function readText(directory: string, name: string): Promise<string | null> {
  const path = join(directory, name);
  const found = await stat(path).catch(() => null);
  if (found === null) return null;
  if (!found.isFile() || found.size > mostTextBytes) {
    throw new ServingError("invalid_bundle", `${name} must be a file of at most ${mostTextBytes} bytes.`);
  }
  return await readFile(path, "utf8");
}

async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => null)) !== null;
}

function isReady(place: string): Promise<boolean> {
  return exists(join(place, readyFile));
}

/** Who comes second finds the first one's packages, which are the same. */
async function moveInto(making: string, place: string): Promise<void> {
  try {
    await rename(making, place);
  } catch (error) {
    if (!(await isReady(place))) throw error;
  }
}

async function removeLeftovers(directory: string): Promise<void> {
  for (const name of await readdir(directory)) {
    if (!name.includes(".making-")) continue;
    const path = join(directory, name);
    const found = await stat(path).catch(() => null);
    if (found !== null && Date.now() - found.mtimeMs > leftoverMs)
      await rm(path, { recursive: true, force: true });
  }
}
