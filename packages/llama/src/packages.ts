// The npm packages that hold llama.cpp, one per platform and backend, and where their libraries lie. Those for GPUs are
// used where somebody installed them beside Corral; it depends on those for processors only.

import { createRequire } from "node:module";
import { dirname, join } from "node:path";

import { ServingError } from "@corral/contract";

/** Which build of llama.cpp computes. */
export type Backend = "cpu" | "cuda" | "vulkan";

/** The release of the packages, which all hold the same release of llama.cpp. */
const packageVersion = "3.22.1";

/** Name parts after `@node-llama-cpp/`, by `process.platform` and `process.arch`. */
const packageNames: Readonly<Record<string, Readonly<Partial<Record<Backend, string>>>>> = {
  "linux-x64": { cpu: "linux-x64", cuda: "linux-x64-cuda", vulkan: "linux-x64-vulkan" },
  "linux-arm64": { cpu: "linux-arm64" },
};

/** Gives the path of a package's entry file; fails where it is not installed. */
export type ResolvePackage = (name: string) => string;

export const resolveInstalled: ResolvePackage = createRequire(import.meta.url).resolve;

export interface PackagedLibrary {
  readonly packageName: string;
  readonly directory: string;
  /** The backend's library for the CUDA release before, where that package is installed too. */
  readonly olderCudaLibrary: string | null;
}

/** Null where the package is not installed, or there is none for the platform. */
export function findPackage(
  backend: Backend,
  platform: string,
  architecture: string,
  resolve: ResolvePackage = resolveInstalled,
): PackagedLibrary | null {
  const name = packageNames[`${platform}-${architecture}`]?.[backend];
  if (name === undefined) return null;
  const packageName = `@node-llama-cpp/${name}`;
  const directory = binariesOf(packageName, name, resolve);
  if (directory === null) return null;
  // The extension has the same folder, with the library for the older release in it.
  const extension = backend === "cuda" ? binariesOf(`${packageName}-ext`, name, resolve) : null;
  return {
    packageName,
    directory,
    olderCudaLibrary: extension === null ? null : join(extension, "fallback", "libggml-cuda.so"),
  };
}

/** What to say where `findPackage` gives null and nothing else will do. */
export function missingPackage(backend: Backend, platform: string, architecture: string): ServingError {
  const target = `${platform}-${architecture}`;
  const name = packageNames[target]?.[backend];
  if (name === undefined) {
    const targets = Object.keys(packageNames).filter((key) => packageNames[key]?.[backend] !== undefined);
    return new ServingError(
      "library_missing",
      `Corral has no llama.cpp libraries with ${backend} for ${target}, only for ${targets.join(" and ")}.`,
    );
  }
  const command =
    backend === "cpu"
      ? "npm ci --include=optional"
      : `npm install --no-save @node-llama-cpp/${name}@${packageVersion}`;
  return new ServingError(
    "library_missing",
    `The package @node-llama-cpp/${name}, which holds llama.cpp, is not installed. Run: ${command}`,
  );
}

function binariesOf(packageName: string, folder: string, resolve: ResolvePackage): string | null {
  try {
    return join(dirname(resolve(packageName)), "..", "bins", folder);
  } catch {
    return null;
  }
}
