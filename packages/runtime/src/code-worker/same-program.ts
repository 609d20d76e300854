// Whether other code runs with the very program that is there: the same packages, the same limits. Read at once: off the
// loop every read would wait behind a step of the engine.

import type { ReplicaCode } from "@corral/contract";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { namesPath } from "../python-environment/environment-plan.ts";
import { companionPackages, importedModules } from "../python-environment/imports.ts";

/** Of a TypeScript bundle: what names its packages. */
const packageFiles = ["package.json", "package-lock.json", "npm-shrinkwrap.json"];

/** @param keepsFiles whether files that were fetched for the code before are those that it goes on with */
export function isOfSameProgram(before: ReplicaCode, after: ReplicaCode, keepsFiles: boolean): boolean {
  const known = ({ kind, limits, accelerator, packages_home: home, secrets }: ReplicaCode) => ({
    kind,
    memoryBytes: limits.memory_bytes,
    accelerator,
    home,
    secrets,
  });
  if (!isDeepStrictEqual(known(before), known(after))) return false;
  const same = (path: string) => textOf(before.directory, path) === textOf(after.directory, path);
  if (after.kind === "typescript")
    // What a package of the bundle's own consists of stands in none of them.
    return packageFiles.every(same) && textOf(after.directory, "package.json")?.includes('"file:') !== true;
  const { python: old, directory: oldDirectory } = before;
  const { python, directory } = after;
  if (old === undefined || python === undefined) return false;
  const { bundle_digest: _, ...was } = old;
  const { bundle_digest: __, external_data: data, hub_files: hubFiles, ...is } = python;
  if (!isDeepStrictEqual(was, { ...is, external_data: data, hub_files: hubFiles })) return false;
  if (!keepsFiles && data.length + hubFiles.length > 0) return false;
  const file = python.requirements_file;
  if (file !== null && !same(file)) return false;
  const lines = [
    ...python.requirements,
    ...(file === null ? [] : (textOf(directory, file)?.split("\n") ?? [])),
  ];
  if (lines.some(namesPath)) return false;
  return isDeepStrictEqual(companionsIn(oldDirectory, lines), companionsIn(directory, lines));
}

/** What the Truss image brings and the code imports. */
function companionsIn(directory: string, lines: readonly string[]): readonly string[] {
  const modules = new Set<string>();
  for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || !entry.name.endsWith(".py")) continue;
    for (const module of importedModules(textOf(entry.parentPath, entry.name) ?? "")) modules.add(module);
  }
  return companionPackages(modules, lines);
}

function textOf(directory: string, path: string): string | null {
  try {
    return readFileSync(join(directory, path), "utf8");
  } catch {
    return null;
  }
}
