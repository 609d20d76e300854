// Finds the llama.cpp libraries of this platform, opens them once and refuses any other release.
// Knows no model and reads no environment: an override directory is an argument.

import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

import { ServingError } from "@corral/contract";

import { bindLlama, type LibraryPaths, type LlamaAbi, silentLogSink, structSizesBytes } from "./abi.ts";
import {
  expectedContextParams,
  expectedModelParams,
  expectedQuantizeParams,
  expectedStructSizesBytes,
  expectedVersion,
  release,
} from "./release.ts";

/** npm packages that hold the libraries, by `process.platform` and `process.arch`. */
const libraryPackages: Readonly<Record<string, string>> = {
  "linux-x64": "@node-llama-cpp/linux-x64",
  "linux-arm64": "@node-llama-cpp/linux-arm64",
};

/** What a library says of itself; compared with what `abi.ts` declares. */
export interface LibraryFingerprint {
  readonly version: string;
  readonly structSizesBytes: Readonly<Record<string, number>>;
  readonly modelParams: object;
  readonly contextParams: object;
  readonly quantizeParams: object;
}

/** Every way in which a library differs from the release this package is written for; empty when it fits. */
export function findDrift(found: LibraryFingerprint): string[] {
  return [
    ...difference("version", { llama_version: expectedVersion }, { llama_version: found.version }),
    ...difference("size of", expectedStructSizesBytes, found.structSizesBytes),
    ...difference("default model", expectedModelParams, found.modelParams),
    ...difference("default context", expectedContextParams, found.contextParams),
    ...difference("default quantize", expectedQuantizeParams, found.quantizeParams),
  ];
}

function difference(subject: string, expected: object, found: object): string[] {
  const values = new Map<string, unknown>(Object.entries(found));
  return Object.entries(expected)
    .filter(([name, value]) => !Object.is(values.get(name), value))
    .map(([name, value]) => `${subject} ${name} is ${String(values.get(name))} instead of ${String(value)}`);
}

let opened: { directory: string; abi: LlamaAbi } | null = null;

/**
 * Opens llama.cpp from `directory`, or else from the npm package of this platform, at most once a process.
 * Fails with `library_missing` where it is not there and `library_mismatch` where it is another release.
 */
export function openLibrary(directory?: string): LlamaAbi {
  const wanted = directory ?? opened?.directory ?? packagedDirectory(process.platform, process.arch);
  if (opened !== null) {
    if (opened.directory === wanted) return opened.abi;
    throw new ServingError(
      "library_mismatch",
      `This process already uses the llama.cpp libraries in ${opened.directory}; it cannot use ${wanted} too.`,
    );
  }
  const paths = libraryPaths(wanted);
  const abi = bind(paths);
  const drift = findDrift({
    version: abi.llama_version(),
    structSizesBytes,
    modelParams: abi.llama_model_default_params(),
    contextParams: abi.llama_context_default_params(),
    quantizeParams: abi.llama_model_quantize_default_params(),
  });
  if (drift.length > 0) {
    throw new ServingError(
      "library_mismatch",
      `The llama.cpp library in ${wanted} is not release ${release} as Corral knows it: ${drift.join("; ")}.`,
    );
  }
  startBackends(abi, paths, wanted);
  opened = { directory: wanted, abi };
  return abi;
}

function bind(paths: LibraryPaths): LlamaAbi {
  try {
    return bindLlama(paths);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new ServingError(
      "library_mismatch",
      `The llama.cpp library ${paths.llama} does not load: ${reason}`,
      { cause },
    );
  }
}

function startBackends(abi: LlamaAbi, paths: LibraryPaths, directory: string): void {
  abi.llama_log_set(silentLogSink(paths.llama), null);
  // Backends register for the whole process; another worker thread may have loaded them before.
  if (abi.ggml_backend_reg_count() === 0) abi.ggml_backend_load_all_from_path(directory);
  if (abi.ggml_backend_dev_count() === 0) {
    throw new ServingError("library_missing", `No backend in ${directory} runs on this processor.`);
  }
  abi.llama_backend_init();
}

/** The directory of the libraries that npm installed for a platform. */
export function packagedDirectory(platform: string, architecture: string): string {
  const target = `${platform}-${architecture}`;
  const name = libraryPackages[target];
  if (name === undefined) {
    throw new ServingError(
      "library_missing",
      `Corral has no llama.cpp libraries for ${target}, only for ${Object.keys(libraryPackages).join(" and ")}. ` +
        `Set CORRAL_LLAMA_LIBRARY to a directory with those of llama.cpp ${release}.`,
    );
  }
  let entry: string;
  try {
    entry = createRequire(import.meta.url).resolve(name);
  } catch (cause) {
    throw new ServingError(
      "library_missing",
      `npm skipped the optional dependency ${name}, which holds llama.cpp. Run: npm ci --include=optional`,
      { cause },
    );
  }
  return join(dirname(entry), "..", "bins", target);
}

function libraryPaths(directory: string): LibraryPaths {
  return {
    llama: findLibrary(directory, "libllama"),
    ggml: findLibrary(directory, "libggml"),
    base: findLibrary(directory, "libggml-base"),
  };
}

/** Packaged libraries carry the release in their names, one's own build need not. */
function findLibrary(directory: string, stem: string): string {
  const names = [`${stem}.v${release}.so`, `${stem}.so`, `${stem}.dylib`];
  const path = names.map((name) => join(directory, name)).find((candidate) => existsSync(candidate));
  if (path === undefined) {
    throw new ServingError("library_missing", `${directory} has none of ${names.join(", ")}.`);
  }
  return path;
}
