// A bundle's Python and packages → an environment to run it in: found by its name, or made beside its place and moved
// there when it is whole. Knows nothing of the code that will run in it, except what it imports.

import { ServingError } from "@corral/contract";
import { randomBytes } from "node:crypto";
import { mkdir, readdir, readFile, rename, rm, stat, utimes, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import {
  environmentKey,
  mayBeWheels,
  planEnvironment,
  type Command,
  type EnvironmentContent,
} from "./environment-plan.ts";
import { findInterpreters } from "./find-interpreters.ts";
import { boundsFor, companionPackages, importedModules, type Bound } from "./imports.ts";
import { installVariables } from "./install-variables.ts";
import { findInstaller } from "./installer.ts";
import { choosePython, minorVersion, type Interpreter } from "./interpreter.ts";
import { buildFolder, keptFor, placesOf, type InstallWay, type Isolate } from "./isolate-installation.ts";
import { pythonFiles } from "./python-files.ts";
import { rewriteShebangs } from "./rewrite-shebangs.ts";
import { runCommand, type RunCommand } from "./run-command.ts";

/** What a bundle says of its environment; names are those of config.yaml. */
export interface PythonRequest {
  readonly bundleDirectory: string;
  /** Of the bundle's content. */
  readonly bundleDigest: string;
  /** Null: the config names none. */
  readonly pythonVersion: string | null;
  readonly strictPython: boolean;
  readonly requirements: readonly string[];
  /** Relative to the bundle. */
  readonly requirementsFile: string | null;
}

export interface PrepareOptions {
  /** `CORRAL_HOME/python`: environments, the installer, and its cache of packages. */
  readonly directory: string;
  /** The operator's own; only what an installer needs of it is passed on. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** One line for people who wait, as often as something happens. */
  readonly onProgress: (line: string) => void;
  readonly signal?: AbortSignal;
  readonly run?: RunCommand;
  /** What keeps an installation to its places; absent: it runs as any program of this user. */
  readonly isolate?: Isolate;
  /** Tests give their own. */
  readonly interpreters?: readonly Interpreter[];
}

export interface PythonEnvironment {
  /** The program that runs the model. */
  readonly python: string;
  /** Its directory. */
  readonly place: string;
  /** Where its Python itself is installed. */
  readonly base: string;
  readonly version: string;
  readonly key: string;
  /** Whether it was there already. */
  readonly reused: boolean;
  readonly warnings: readonly string[];
}

/** A large framework over a slow line; a package that is compiled. */
const installMs = 30 * 60_000;
const readyFile = "corral-environment.json";
/** What is being made and has not been touched for so long has been left by a process that died. */
const leftoverMs = 24 * 3_600_000;

/** Fails with `python_missing`, `invalid_bundle` or `environment_failed`, the installer's last lines in its detail. */
export async function preparePythonEnvironment(
  request: PythonRequest,
  options: PrepareOptions,
): Promise<PythonEnvironment> {
  const { directory, environment, onProgress, run = runCommand } = options;
  const found = options.interpreters ?? (await findInterpreters({ run, environment }));
  const choice = choosePython(found, { version: request.pythonVersion, isStrict: request.strictPython });
  if (choice.kind === "refused") throw new ServingError("python_missing", choice.reason);
  const warnings = choice.warning === null ? [] : [choice.warning];

  const { content, bounds } = await readContent(request, choice.interpreter);
  for (const { reason } of bounds) warnings.push(reason);
  for (const warning of warnings) onProgress(warning);
  const key = environmentKey(content, request.bundleDigest);
  const environments = join(directory, "environments");
  const place = join(environments, key);
  const version = choice.interpreter.version.join(".");
  const base = dirname(dirname(choice.interpreter.path));
  const ready = { python: join(place, "bin", "python"), place, base, version, key, warnings };
  // The age of what is unused tells what may be removed. First, so that what is found to be ready stays.
  await utimes(place, new Date(), new Date()).catch(() => undefined);
  if (await isReady(place)) return { ...ready, reused: true };

  await mkdir(environments, { recursive: true });
  await removeLeftovers(environments);
  const making = join(environments, `${key}.making-${process.pid}-${randomBytes(4).toString("hex")}`);
  try {
    await makeOneWay(content, request, making, options);
    if (!(await isReady(place))) {
      await rewriteShebangs(join(making, "bin"), making, place);
      await moveInto(making, place);
    }
  } finally {
    await rm(making, { recursive: true, force: true });
  }
  return { ...ready, reused: false };
}

/** From wheels where that is enough; what must be built is built apart. */
async function makeOneWay(
  content: EnvironmentContent,
  request: PythonRequest,
  making: string,
  options: PrepareOptions,
): Promise<void> {
  const { bundleDirectory } = request;
  const { isolate, directory, onProgress, signal } = options;
  if (isolate === undefined || isolate({ bundleDirectory, writable: directory, kept: [] }) === null)
    return await make(content, request, making, options, null);
  const settings = await Promise.all(
    ["uv.toml", "pyproject.toml"].map((name) => stat(join(bundleDirectory, name)).catch(() => null)),
  );
  if (mayBeWheels(content) && settings.every((found) => found === null)) {
    try {
      return await make(content, request, making, options, "wheels");
    } catch (error) {
      if (signal?.aborted === true) throw error;
      onProgress("Wheels alone are not enough; packages are built apart from everything else.");
      await rm(making, { recursive: true, force: true });
    }
  }
  await make(content, request, making, options, "builds");
  await rm(join(making, buildFolder), { recursive: true, force: true });
}

/** @param way null: nothing is isolated */
async function make(
  content: EnvironmentContent,
  request: PythonRequest,
  making: string,
  options: PrepareOptions,
  way: InstallWay | null,
): Promise<void> {
  const { directory, environment, onProgress, signal, run = runCommand, isolate } = options;
  const { bundleDirectory } = request;
  const shared = placesOf("wheels", directory, making);
  await mkdir(shared.home, { recursive: true });
  await mkdir(making);
  const variables = installVariables(environment, shared);
  const { requirements, requirementsFile, companions } = content;
  const isBare = requirements.length + companions.length === 0 && requirementsFile === null;
  // Python itself makes an environment without packages: no registry is asked for an installer that installs nothing.
  const installer = isBare
    ? ({ kind: "pip" } as const)
    : await findInstaller({
        run,
        variables,
        toolDirectory: join(directory, "tools"),
        interpreter: content.interpreter,
        onProgress,
        ...(signal === undefined ? {} : { signal }),
      });
  const plan = planEnvironment(content, installer, making, bundleDirectory, way === "wheels");
  if (plan.kind === "refused") throw new ServingError("environment_failed", plan.reason);
  for (const { name, text } of plan.files) await writeFile(join(making, name), text);
  const places = placesOf(way ?? "wheels", directory, making);
  const kept = keptFor(installer, content.interpreter, variables["PATH"] ?? "");
  const words = way === null ? [] : isolate?.({ bundleDirectory, writable: places.writable, kept });
  if (words === undefined || words === null)
    throw new ServingError("environment_failed", "The installation cannot be kept to its places.");
  if (way !== null)
    for (const path of [places.home, places.cache, places.temporary]) await mkdir(path, { recursive: true });
  const placed = { ...installVariables(environment, places), TMPDIR: places.temporary };
  for (const command of plan.commands) {
    onProgress(command.title);
    const [first = "", ...args] = [...words, command.program, ...command.args];
    const result = await run(first, args, {
      directory: bundleDirectory,
      environment: way === null ? variables : placed,
      timeoutMs: installMs,
      onLine: onProgress,
      ...(signal === undefined ? {} : { signal }),
    });
    if (signal?.aborted === true) throw new ServingError("shutting_down", "The installation was given up.");
    if (result.kind === "lost" || result.code !== 0)
      throw failed(command, result, content.interpreter, request);
  }
  // A build may have put anything in its place, a link that leads elsewhere among it.
  await rm(join(making, readyFile), { recursive: true, force: true });
  const ready = JSON.stringify({ interpreter: content.interpreter });
  await writeFile(join(making, readyFile), ready, { flag: "wx" });
}

function failed(
  command: Command,
  result: Awaited<ReturnType<RunCommand>>,
  { version }: Interpreter,
  { pythonVersion }: PythonRequest,
): ServingError {
  const how = result.kind === "lost" ? result.reason : `ended with exit code ${result.code}`;
  const said = result.lines.filter((line) => line.trim() !== "").slice(-12);
  const detail = said.length === 0 ? "" : ` Its last lines:\n${said.join("\n")}`;
  const isOther = pythonVersion !== null && minorVersion(pythonVersion) !== version[1];
  const advice = isOther
    ? ` python_version asks for ${pythonVersion}, which is not on this machine: where a pinned version has no build for Python ${version[0]}.${version[1]}, install that Python, or name a newer version of the package.`
    : "";
  return new ServingError(
    "environment_failed",
    `${command.title} for Python ${version.join(".")} failed: ${command.program.split("/").at(-1)} ${how}.${advice}${detail}`,
  );
}

async function readContent(
  request: PythonRequest,
  interpreter: Interpreter,
): Promise<{ readonly content: EnvironmentContent; readonly bounds: readonly Bound[] }> {
  const { bundleDirectory, requirements, requirementsFile: path } = request;
  const text = path === null ? null : await readFile(join(bundleDirectory, path), "utf8").catch(() => null);
  if (path !== null && text === null) {
    throw new ServingError(
      "invalid_bundle",
      `requirements_file is ${path}, but there is no such file in the bundle.`,
    );
  }
  const modules = new Set<string>();
  const sources = await pythonFiles(bundleDirectory);
  for (const source of sources) {
    for (const module of importedModules(source)) modules.add(module);
  }
  const lines = [...requirements, ...(text?.split("\n") ?? [])];
  const bounds = boundsFor(sources, lines);
  const companions = [...companionPackages(modules, lines), ...bounds.map(({ line }) => line)];
  return {
    content: {
      interpreter,
      requirements,
      requirementsFile: path === null || text === null ? null : { path, text },
      companions,
    },
    bounds,
  };
}

async function isReady(place: string): Promise<boolean> {
  return (await stat(join(place, readyFile)).catch(() => null)) !== null;
}

/** Who comes second finds the first one's environment, which holds the same. */
async function moveInto(making: string, place: string): Promise<void> {
  try {
    await rename(making, place);
  } catch (error) {
    if (!(await isReady(place))) throw error;
  }
}

async function removeLeftovers(environments: string): Promise<void> {
  for (const name of await readdir(environments)) {
    if (!name.includes(".making-")) continue;
    const path = join(environments, name);
    const found = await stat(path).catch(() => null);
    if (found !== null && Date.now() - found.mtimeMs > leftoverMs)
      await rm(path, { recursive: true, force: true });
  }
}
