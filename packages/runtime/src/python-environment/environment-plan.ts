// The commands that make a model's Python environment, and the name it is kept under. Pure: runs nothing.

import { createHash } from "node:crypto";
import { join } from "node:path";
import type { Interpreter } from "./interpreter.ts";

export type Installer = { readonly kind: "uv"; readonly path: string } | { readonly kind: "pip" };

export interface EnvironmentContent {
  readonly interpreter: Interpreter;
  /** Lines as pip reads them. */
  readonly requirements: readonly string[];
  /** requirements.txt, pyproject.toml or uv.lock, relative to the bundle; its text is part of the name. */
  readonly requirementsFile: { readonly path: string; readonly text: string } | null;
  readonly companions: readonly string[];
}

export interface Command {
  /** What it does, for people who wait: "Installing 3 packages". */
  readonly title: string;
  readonly program: string;
  readonly args: readonly string[];
}

/** A file that a command reads, beside the environment being made. */
export interface PlannedFile {
  readonly name: string;
  readonly text: string;
}

export type EnvironmentPlan =
  | {
      readonly kind: "planned";
      readonly files: readonly PlannedFile[];
      readonly commands: readonly Command[];
    }
  | { readonly kind: "refused"; readonly reason: string };

/** Changes with what the commands below make, so that an older Corral's environments are not taken for these. */
const format = 1;

/**
 * Names an environment by what it holds. The bundle's digest counts only where a requirement names a path in it:
 * bundles with the same requirements share one environment.
 */
export function environmentKey(content: EnvironmentContent, bundleDigest: string): string {
  const { interpreter, requirements, requirementsFile, companions } = content;
  const lines = requirements
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("#"));
  const texts = [...lines, requirementsFile?.text ?? ""];
  const described = {
    format,
    python: interpreter.version,
    path: interpreter.path,
    platform: interpreter.platform,
    lines: [...new Set(lines)].toSorted((a, b) => (a < b ? -1 : 1)),
    file: requirementsFile === null ? null : [fileKind(requirementsFile.path), requirementsFile.text],
    companions,
    bundle: texts.some(namesPath) ? bundleDigest : null,
  };
  return createHash("sha256").update(JSON.stringify(described)).digest("hex").slice(0, 32);
}

/**
 * Whether wheels alone may be enough: names, versions and indexes. Addresses, paths and most options may lead to a build
 * whatever the installer is told, and projects have settings of their own.
 */
export function mayBeWheels({ requirements, requirementsFile, companions }: EnvironmentContent): boolean {
  if (requirementsFile !== null && fileKind(requirementsFile.path) !== "lines") return false;
  const lines = [...requirements, ...(requirementsFile?.text ?? "").split("\n"), ...companions];
  return lines.flatMap((line) => line.split("\n")).every(isOfIndex);
}

function isOfIndex(line: string): boolean {
  const bare = line
    .replace(/(?:^|\s)#.*$/, "")
    .replace(/\\\s*$/, "")
    .replaceAll(/(?:^|\s)--hash[=\s]\w+:\w+/g, "")
    .trim();
  if (bare === "" || /^(?:-i|--index-url|--extra-index-url)[ =]\S+$/.test(bare)) return true;
  return /^[A-Za-z0-9][^/\\@]*$/.test(bare) && !/\s-/.test(bare) && !namesPath(bare);
}

/**
 * `-r other.txt`, `-e .`, `-f wheels`, `wheels/x.whl`, `pkg @ file:///…`; a lock file's paths are found the same way.
 * What only may be one counts: an environment too many costs less than another bundle's package.
 */
export function namesPath(text: string): boolean {
  return text.split("\n").some((line) => {
    if (/^\s*(?:-[rcef]|--requirement|--constraint|--editable|--find-links|\.{1,2}(?:\[|\s*$))/.test(line))
      return true;
    if (/\bfile:|\b(?:path|directory|editable|find-links)\s*=/.test(line)) return true;
    // Neither comments nor what lies behind an address nor a line that goes on are paths.
    const bare = line
      .replace(/(?:^|\s)#.*$/, "")
      .replace(/\b[a-z+]+:\/\/\S*/g, "")
      .replace(/\\\s*$/, "");
    return /[/\\]|\.(?:whl|zip|tar|tgz|tar\.\w+)\b/.test(bare);
  });
}

function fileKind(path: string): "lines" | "project" | "lock" {
  if (path.endsWith("uv.lock")) return "lock";
  return path.endsWith("pyproject.toml") ? "project" : "lines";
}

/** `target` is the directory to make; the bundle's directory is where the commands run. */
export function planEnvironment(
  content: EnvironmentContent,
  installer: Installer,
  target: string,
  bundleDirectory: string,
  wheelsOnly = false,
): EnvironmentPlan {
  const { interpreter, requirements, requirementsFile, companions } = content;
  const python = join(target, "bin", "python");
  const named = [...requirements, ...companions];
  const listed = named.length === 0 ? [] : [{ name: "requirements.txt", text: `${named.join("\n")}\n` }];
  const kind = requirementsFile === null ? null : fileKind(requirementsFile.path);
  if (installer.kind === "pip" && (kind === "project" || kind === "lock")) {
    return {
      kind: "refused",
      reason: `requirements_file is ${requirementsFile?.path ?? ""}, which only uv can read, and uv could not be installed. Install uv, or list the packages under requirements.`,
    };
  }
  const sources: string[] = listed.map(({ name }) => join(target, name));
  const commands: Command[] = [
    makeEnvironment(installer, interpreter, target, listed.length + (kind === null ? 0 : 1)),
  ];
  if (requirementsFile !== null && kind === "lock" && installer.kind === "uv") {
    const exported = join(target, "locked.txt");
    commands.push({
      title: `Reading ${requirementsFile.path}`,
      program: installer.path,
      args: [
        "export",
        "--frozen",
        "--no-dev",
        "--no-emit-project",
        "--no-header",
        "--quiet",
        "--project",
        join(bundleDirectory, requirementsFile.path, ".."),
        "--python",
        python,
        "--output-file",
        exported,
      ],
    });
    sources.push(exported);
  } else if (requirementsFile !== null) sources.push(join(bundleDirectory, requirementsFile.path));
  if (sources.length > 0) {
    const files = sources.flatMap((source) => ["-r", source]);
    const what =
      requirementsFile === null ? packageCount(named.length) : `packages of ${requirementsFile.path}`;
    commands.push({ title: `Installing ${what}`, ...installCommand(installer, python, files, wheelsOnly) });
  }
  return { kind: "planned", files: listed, commands };
}

function makeEnvironment(
  installer: Installer,
  interpreter: Interpreter,
  target: string,
  sourceCount: number,
): Command {
  const title = `Making an environment of Python ${interpreter.version.join(".")}`;
  if (installer.kind === "uv") {
    const args = ["venv", "--quiet", "--no-project", "--no-config", "--relocatable", "--allow-existing"];
    return { title, program: installer.path, args: [...args, "--python", interpreter.path, target] };
  }
  // pip takes seconds to unpack; an environment without packages does without.
  const withoutPip = sourceCount === 0 ? ["--without-pip"] : [];
  return { title, program: interpreter.path, args: ["-I", "-m", "venv", ...withoutPip, target] };
}

function installCommand(
  installer: Installer,
  python: string,
  files: readonly string[],
  wheelsOnly: boolean,
): Pick<Command, "program" | "args"> {
  const wheels = wheelsOnly ? ["--only-binary", ":all:"] : [];
  if (installer.kind === "uv") {
    const settings = wheelsOnly ? ["--no-config"] : [];
    return {
      program: installer.path,
      args: ["pip", "install", "--no-progress", ...settings, ...wheels, "--python", python, ...files],
    };
  }
  // Without the working directory, which is the bundle: a file pip.py in it is not pip.
  const args = [
    "-I",
    "-m",
    "pip",
    "install",
    "--no-input",
    "--disable-pip-version-check",
    "--progress-bar",
    "off",
  ];
  return { program: python, args: [...args, ...wheels, ...files] };
}

function packageCount(count: number): string {
  return count === 1 ? "1 package" : `${count} packages`;
}
