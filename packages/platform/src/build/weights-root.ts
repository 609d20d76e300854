// Which files of this machine may be taken as weights: those whose real path lies under a root that the operator
// listed. Links inside a root must not lead out of it.

import { realpath, stat } from "node:fs/promises";
import { isAbsolute, sep } from "node:path";
import { ServingError, fieldsError } from "@corral/contract";

/** The real path of a weights file. Fails with `invalid_parameter` outside the roots, `weights_missing` without a file. */
export async function allowedWeightsPath(path: string, roots: readonly string[]): Promise<string> {
  const found = await allowedPath(path, roots);
  if (found.isDirectory) throw new ServingError("weights_missing", `${path} is not a file.`);
  return found.path;
}

export interface AllowedPath {
  /** Without links. */
  readonly path: string;
  /** Else it is a file. */
  readonly isDirectory: boolean;
}

/** The same for a file or a directory. */
export async function allowedPath(path: string, roots: readonly string[]): Promise<AllowedPath> {
  const refuse = (message: string) =>
    fieldsError([{ pointer: "/source", code: "invalid_parameter", message }]);
  if (!isAbsolute(path) || path.includes("\0")) {
    throw refuse(`source is ${JSON.stringify(path)}; a file is named by its absolute path.`);
  }
  // Asked before the file is looked at, so that the answer tells nothing about files elsewhere.
  const realRoots = (await Promise.all(roots.map((root) => realpath(root).catch(() => null)))).filter(
    (root) => root !== null,
  );
  const within = (candidate: string, candidates: readonly string[]) =>
    candidates.some((root) => candidate.startsWith(root.endsWith(sep) ? root : root + sep));
  const outside = refuse(
    `source is ${JSON.stringify(path)}, which is under none of the model roots (${roots.join(", ")}); ` +
      "move the file there or start the platform with CORRAL_MODEL_ROOTS.",
  );
  if (path.split(sep).includes("..") || !within(path, [...roots, ...realRoots])) throw outside;
  const real = await realpath(path).catch(() => null);
  if (real === null) throw new ServingError("weights_missing", `There is no file ${path}.`);
  if (!within(real, realRoots)) throw outside;
  const found = await stat(real);
  if (!found.isFile() && !found.isDirectory())
    throw new ServingError("weights_missing", `${path} is neither a file nor a directory.`);
  return { path: real, isDirectory: found.isDirectory() };
}
