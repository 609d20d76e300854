// What `model_metadata.corral.weights` may say, and what it means. Reads no file.

import { fieldError, invalidBundle } from "./invalid-bundle.ts";

export type WeightsReference =
  /** A file of the bundle, relative to its root. */
  | { readonly kind: "bundled"; readonly path: string }
  /** A catalogue identifier or alias, or a repository of the hub. */
  | { readonly kind: "named"; readonly name: string }
  /** An absolute path; whether it may be read is the platform's to decide. */
  | { readonly kind: "file"; readonly path: string };

/**
 * What `weights` refers to. A word without "/" and ".gguf" is a name, and so is
 * `owner/name` without ".gguf", with a `@revision` if wanted; fails with `invalid_bundle`.
 */
export function weightsReference(weights: string): WeightsReference {
  const problem = weightsProblem(weights);
  if (problem !== null) {
    throw invalidBundle([fieldError("/model_metadata/corral/weights", "invalid_parameter", problem)]);
  }
  if (weights.startsWith("/")) return { kind: "file", path: weights };
  if (isName(weights)) return { kind: "named", name: weights };
  return { kind: "bundled", path: withoutDots(weights) };
}

/** What is wrong with it, as a sentence; null: nothing. */
export function weightsProblem(weights: string): string | null {
  const given = `weights is ${JSON.stringify(weights)}: `;
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(weights)) {
    return `${given}it is no address; name a repository of the hub as owner/name, or give the path of a GGUF file.`;
  }
  if (/[\p{Cc}\\]/u.test(weights)) return `${given}a path has no control characters and no backslashes.`;
  if (weights.startsWith("/") || isName(weights)) return null;
  const leaves = withoutDots(weights)
    .split("/")
    .some((part) => part === ".." || part === "." || part === "");
  if (!leaves) return null;
  return `${given}a relative path stays inside the directory; give an absolute path for a file elsewhere.`;
}

const isName = (weights: string) =>
  !weights.toLowerCase().endsWith(".gguf") &&
  (!weights.includes("/") || /^\w[\w.-]*\/\w[\w.-]*(@\w[\w./-]*)?$/.test(weights));
const withoutDots = (path: string) => path.replace(/^(\.\/)+/, "");
