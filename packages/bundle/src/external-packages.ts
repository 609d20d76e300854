// `external_package_dirs`: Python packages that several models share and that lie outside their directories. Their
// content goes into the bundle's packages, as the truss command does it before it sends them.

import { stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { FieldError } from "@corral/contract";
import { listFiles, readIgnoreRules, type BundleFile } from "./files.ts";
import { fieldError, invalidBundle } from "./invalid-bundle.ts";
import type { TrussSettings } from "./truss-settings.ts";

/**
 * Files as they stand in the bundle, with the places where they lie. Fails with `invalid_bundle` where a directory is
 * not there, or two files would lie at the same path.
 * @param taken paths of the bundle's own files
 */
export async function gatherPackages(
  directory: string,
  { externalPackageDirs, bundledPackagesDir }: TrussSettings,
  taken: ReadonlySet<string>,
): Promise<BundleFile[]> {
  const gathered = new Map<string, BundleFile>();
  const problems: FieldError[] = [];
  for (const [index, given] of externalPackageDirs.entries()) {
    const refuse = (message: string) =>
      problems.push(fieldError(`/external_package_dirs/${index}`, "invalid_parameter", message));
    const source = resolve(directory, given);
    const found = await stat(source).catch(() => null);
    if (found?.isDirectory() !== true) {
      refuse(`external_package_dirs names ${given}, and there is no such directory beside the model.`);
      continue;
    }
    const { files } = await listFiles(source, await readIgnoreRules(source));
    for (const { path, size } of files) {
      const target = `${bundledPackagesDir}/${path}`;
      if (taken.has(target) || gathered.has(target)) {
        refuse(`${given}/${path} would be ${target}, which is there already; rename one of them.`);
      }
      gathered.set(target, { path: target, size, source: join(source, path) });
    }
  }
  if (problems.length > 0) throw invalidBundle(problems);
  return [...gathered.values()];
}
