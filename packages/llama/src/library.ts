// Finds the llama.cpp libraries that suit this machine, opens them once and refuses any other release.
// Knows no model and reads no environment: a directory or a device that is asked for is an argument.

import { existsSync } from "node:fs";
import { basename, join } from "node:path";

import { type DeviceChoice, isServingError, ServingError } from "@corral/contract";

import { bindLlama, findLoadProblem, type LibraryPaths, silentLogSink, structSizesBytes } from "./abi.ts";
import type { LlamaAbi, Pointer } from "./abi-types.ts";
import { type Device, layerDevices, readDevices } from "./device.ts";
import {
  type Backend,
  findPackage,
  missingPackage,
  type PackagedLibrary,
  type ResolvePackage,
} from "./packages.ts";
import {
  expectedContextParams,
  expectedModelParams,
  expectedQuantizeParams,
  expectedStructSizesBytes,
  expectedVersion,
  release,
} from "./release.ts";

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

export interface LibraryOptions {
  /** Directory of the libraries; default: those of the npm packages. */
  readonly directory?: string | undefined;
  /** Default `cpu`. */
  readonly device?: DeviceChoice | undefined;
  /** Tests give their own. */
  readonly resolvePackage?: ResolvePackage;
}

export interface OpenLibrary {
  readonly abi: LlamaAbi;
  /** Where llama.cpp's log goes: nowhere. */
  readonly logSink: Pointer;
  readonly directory: string;
  readonly backend: Backend;
  readonly devices: readonly Device[];
  /** Why installed libraries that go before these are not used, one sentence each. */
  readonly passedOver: readonly string[];
}

let opened: (OpenLibrary & { readonly device: DeviceChoice | undefined }) | null = null;

/**
 * Opens llama.cpp at most once a process: from `directory`, else from the package of the device, which for `auto` is the
 * first of CUDA, Vulkan and the processor whose package is installed, loads and has a device that answers. Fails with
 * `library_missing`, with `library_mismatch` for another release and with `device_missing`.
 */
export function openLibrary(options: LibraryOptions = {}): OpenLibrary {
  const { directory, device } = options;
  if (opened !== null) {
    const fits =
      (directory === undefined || directory === opened.directory) &&
      (device === undefined || device === opened.device || device === opened.backend);
    if (fits) return opened;
    throw new ServingError(
      "library_mismatch",
      `This process already uses the llama.cpp libraries in ${opened.directory}; it cannot use ${directory ?? `those for ${device}`} too.`,
    );
  }
  const found = directory === undefined ? openPackaged(options) : openOwn(directory, device);
  opened = { ...found, device };
  return opened;
}

/** Of a build of one's own only its devices tell what it is for. */
function openOwn(directory: string, device: DeviceChoice = "auto"): OpenLibrary {
  const { abi, logSink } = openDirectory(directory);
  const devices = readDevices(abi);
  const found = layerDevices(devices).map(({ name }) => (name.startsWith("Vulkan") ? "vulkan" : "cuda"));
  const backend = device === "auto" ? (found[0] ?? "cpu") : device;
  if (backend !== "cpu" && !found.includes(backend)) {
    const names = devices.map(({ name }) => name).join(", ");
    throw new ServingError(
      "device_missing",
      `The llama.cpp libraries in ${directory} find no device for ${backend}: they have ${names}.`,
    );
  }
  return { abi, logSink, directory, backend, devices, passedOver: [] };
}

function openPackaged({ device = "cpu", resolvePackage }: LibraryOptions): OpenLibrary {
  const { platform, arch } = process;
  const passedOver: string[] = [];
  for (const backend of device === "auto" ? (["cuda", "vulkan", "cpu"] as const) : [device]) {
    const isOnlyChoice = backend === device || backend === "cpu";
    try {
      const library = findPackage(backend, platform, arch, resolvePackage);
      if (library !== null) return { ...openBackend(backend, library), backend, passedOver };
      if (isOnlyChoice) throw missingPackage(backend, platform, arch);
    } catch (error) {
      if (isOnlyChoice || !isServingError(error)) throw error;
      passedOver.push(error.message);
    }
  }
  throw missingPackage("cpu", platform, arch);
}

function openBackend(
  backend: Backend,
  { packageName, directory, olderCudaLibrary }: PackagedLibrary,
): Pick<OpenLibrary, "abi" | "logSink" | "directory" | "devices"> {
  const { abi, logSink } = openDirectory(directory);
  let devices = readDevices(abi);
  if (backend === "cpu") return { abi, logSink, directory, devices };
  if (layerDevices(devices).length === 0 && olderCudaLibrary !== null) {
    abi.ggml_backend_load(olderCudaLibrary);
    devices = readDevices(abi);
  }
  if (layerDevices(devices).length > 0) return { abi, logSink, directory, devices };
  const candidates = [join(directory, `libggml-${backend}.so`), olderCudaLibrary];
  const problems = candidates.flatMap((path) => {
    const problem = path === null ? null : findLoadProblem(path);
    return path === null || problem === null ? [] : [`${basename(path)}: ${problem}`];
  });
  throw new ServingError(
    "device_missing",
    `${packageName} is installed, but no device answers: ${problems.join("; ") || "its driver finds none"}.`,
  );
}

/** Binds the libraries of a directory and starts what they compute with. */
function openDirectory(directory: string): Pick<OpenLibrary, "abi" | "logSink"> {
  const paths = libraryPaths(directory);
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
      `The llama.cpp library in ${directory} is not release ${release} as Corral knows it: ${drift.join("; ")}.`,
    );
  }
  const logSink = silentLogSink(paths.llama);
  abi.llama_log_set(logSink, null);
  startBackends(abi, directory);
  return { abi, logSink };
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

function startBackends(abi: LlamaAbi, directory: string): void {
  // Backends register for the whole process; another worker thread may have loaded them before.
  if (Number(abi.ggml_backend_reg_count()) === 0) abi.ggml_backend_load_all_from_path(directory);
  if (Number(abi.ggml_backend_dev_count()) === 0) {
    throw new ServingError("library_missing", `No backend in ${directory} runs on this processor.`);
  }
  abi.llama_backend_init();
}

function libraryPaths(directory: string): LibraryPaths {
  return {
    llama: findLibrary(directory, "libllama"),
    ggml: findLibrary(directory, "libggml"),
    base: findLibrary(directory, "libggml-base"),
  };
}

/** Packaged libraries carry backend and release in their names, one's own build need not. */
function findLibrary(directory: string, stem: string): string {
  const names = ["", ".cuda", ".vulkan"]
    .map((backend) => `${stem}${backend}.v${release}.so`)
    .concat(`${stem}.so`, `${stem}.dylib`);
  const path = names.map((name) => join(directory, name)).find((candidate) => existsSync(candidate));
  if (path === undefined) {
    throw new ServingError("library_missing", `${directory} has none of ${names.join(", ")}.`);
  }
  return path;
}
