// `external_package_dirs`: Python packages that several models share and that lie outside their directories. Their
// content goes into the bundle's packages, as the truss command does it before it sends them.

import { realpath } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { FieldError } from "@corral/contract";
import { isDirectory, listFiles, readIgnoreRules, type BundleFile } from "./files.ts";
import { fieldError, invalidBundle } from "./invalid-bundle.ts";
import type { IgnoreRules } from "./ignore.ts";
import { isSecretPath } from "./secrets-inside.ts";
import type { TrussSettings } from "./truss-settings.ts";

export interface GatheredPackages {
  readonly files: readonly BundleFile[];
  /** Files of them that hold secrets and so are not among them, as the config names their directory. */
  readonly secrets: readonly string[];
  /** Paths in the bundle at which its own ignore rules let nothing lie. */
  readonly ignored: readonly string[];
}

/**
 * Files as they stand in the bundle, with the places where they lie. Fails with `invalid_bundle` where a directory is
 * not there or holds secrets, or two files would lie at the same path.
 * @param rules the bundle's own: whoever unpacks it knows no others
 * @param taken paths of the bundle's own files
 */
export async function gatherPackages(
  directory: string,
  { externalPackageDirs, bundledPackagesDir }: TrussSettings,
  rules: IgnoreRules,
  taken: ReadonlySet<string>,
): Promise<GatheredPackages> {
  const gathered = new Map<string, BundleFile>();
  const hidden: string[] = [];
  const ignored: string[] = [];
  const problems: FieldError[] = [];
  for (const [index, given] of externalPackageDirs.entries()) {
    const refuse = (message: string) =>
      problems.push(fieldError(`/external_package_dirs/${index}`, "invalid_parameter", message));
    const source = await realpath(resolve(directory, given)).catch(() => null);
    if (source === null || !(await isDirectory(source))) {
      refuse(`external_package_dirs names ${given}, and there is no such directory beside the model.`);
      continue;
    }
    if (isSecretPath(join(source, "any"))) {
      refuse(`external_package_dirs names ${given}, where secrets are kept; name a directory of packages.`);
      continue;
    }
    const { files, secrets } = await listFiles(source, await readIgnoreRules(source));
    hidden.push(...secrets.map((path) => `${given}/${path}`));
    for (const { path, ...file } of files) {
      const target = `${bundledPackagesDir}/${path}`;
      if (rules.ignores(target, false)) {
        ignored.push(target);
        continue;
      }
      if (taken.has(target) || gathered.has(target)) {
        refuse(`${given}/${path} would be ${target}, which is there already; rename one of them.`);
      }
      gathered.set(target, { ...file, path: target, source: join(source, path) });
    }
  }
  if (problems.length > 0) throw invalidBundle(problems);
  return { files: [...gathered.values()], secrets: hidden, ignored };
}
