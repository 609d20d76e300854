// The code of a version → what a replica is told of it. Pure: reads no file.

import {
  expandedTrussConfig,
  manifestDigest,
  memoryBytes,
  type DockerServer,
  type Manifest,
  type MountedWeights,
  type TrussSettings,
} from "@corral/bundle";
import type { HubFiles, PythonCode, ReplicaCode } from "@corral/contract";
import { join } from "node:path";
import { hubSecretNames, hubSecretOf, type SecretValues } from "../secrets/declared.ts";
import { callLimitMs } from "../gateway/predict-call.ts";
import { bodyLimitBytes } from "../gateway/proxy.ts";

/** Of each process of the code. */
const openFiles = 4096;
/** Reading weights of its own may take long; `runtime.health_checks.startup_threshold_seconds` says otherwise. */
const loadMs = 30 * 60_000;

/**
 * Null where the version has no code.
 * @param directory of the bundle's files
 * @param home the platform's own directory, which the code is not to see
 * @param replicaId of the replica that is to take other code while it runs; null: it never does
 * @param values of the project's secrets: each goes where the version declares it, and a default gives way to it
 */
export function replicaCode(
  manifest: Manifest,
  directory: string | null,
  home: string,
  replicaId: string | null = null,
  values: SecretValues = {},
): ReplicaCode | null {
  const { code, truss, config } = manifest;
  const server = truss?.dockerServer;
  if (truss === undefined || (code === undefined && server === undefined)) return null;
  if (directory === null) throw new TypeError("A version with code has no directory.");
  const { runtime } = truss;
  const startupSeconds = runtime.healthChecks.startupThresholdSeconds;
  return {
    ...(code === undefined ? { kind: "server", file: "" } : { kind: code.kind, file: code.file }),
    directory,
    ...(code?.className === undefined ? {} : { class_name: code.className }),
    ...(server === undefined ? {} : { server: serverOf(server, truss) }),
    data_directory: truss.dataDir,
    packages_directory: truss.bundledPackagesDir,
    config: expandedTrussConfig(config, truss),
    environment_variables: truss.environmentVariables,
    ...(code?.kind === "python" || (code === undefined && needsPython(truss))
      ? { python: pythonCode(manifest, truss, home, values) }
      : {}),
    ...(code?.kind === "typescript" ? { packages_home: join(home, "node-packages") } : {}),
    ...(truss.resources.accelerator === undefined
      ? {}
      : { accelerator: { ...truss.resources.accelerator, strict: config.strictResources === true } }),
    secrets: knownSecrets(truss, values),
    environment: null,
    hidden_directories: [home],
    ...(replicaId === null ? {} : { live_directory: join(home, "live", replicaId) }),
    // Truss limits code alone; a server has places as it likes.
    predict_concurrency:
      server !== undefined && runtime.predictConcurrency === 1 ? serverPlaces : runtime.predictConcurrency,
    ...healthOf(truss),
    limits: {
      memory_bytes: memoryLimit(truss),
      open_files: openFiles,
      answer_bytes: bodyLimitBytes,
      load_ms: startupSeconds === undefined ? loadMs : startupSeconds * 1_000,
      call_ms: callLimitMs,
      piece_ms: runtime.streamingReadTimeout * 1_000,
    },
  };
}

const serverPlaces = 256;
/** Source: Baseten's default of restart_threshold_seconds. */
const serverRestartMs = 30 * 60_000;

/** Fails with a `TypeError` for one without a command, of which no version is made. */
function serverOf(server: DockerServer, { runtime }: TrussSettings): NonNullable<ReplicaCode["server"]> {
  const { startCommand, serverPort, predictEndpoint, readinessEndpoint, livenessEndpoint } = server;
  if (startCommand === undefined) throw new TypeError("A server without a command cannot be started.");
  const { startupThresholdSeconds, restartThresholdSeconds } = runtime.healthChecks;
  const startupMs = startupThresholdSeconds === undefined ? loadMs : startupThresholdSeconds * 1_000;
  const path = (endpoint: string) => (endpoint.startsWith("/") ? endpoint : `/${endpoint}`);
  return {
    start_command: startCommand,
    port: serverPort,
    predict_endpoint: path(predictEndpoint),
    readiness_endpoint: path(readinessEndpoint),
    liveness_endpoint: path(livenessEndpoint),
    // A little less than the worker's own time, so that it can say what is wrong.
    startup_ms: Math.max(1, startupMs - 1_000),
    restart_ms: restartThresholdSeconds === undefined ? serverRestartMs : restartThresholdSeconds * 1_000,
  };
}

/** A server of another language needs no Python. */
function needsPython(truss: TrussSettings): boolean {
  const { requirements, requirementsFile, externalData, modelCache, weights } = truss;
  return (
    requirementsFile !== undefined ||
    requirements.length + externalData.length + modelCache.length + weights.length > 0
  );
}

/** Truss writes py313 into every config that names no version: then any other will do as well. */
const defaultPython = "py313";

function pythonCode(
  manifest: Manifest,
  truss: TrussSettings,
  home: string,
  values: SecretValues,
): PythonCode {
  const strict = manifest.config.strictPython === true;
  return {
    version: truss.pythonVersion === defaultPython && !strict ? null : truss.pythonVersion,
    strict,
    requirements: [...truss.requirements],
    requirements_file: truss.requirementsFile ?? null,
    external_data: truss.externalData.map(({ url, localDataPath }) => ({
      url,
      local_data_path: localDataPath,
    })),
    hub_files: hubFiles(truss),
    ...hubSecrets(truss, values),
    bundle_digest: manifestDigest(manifest),
    home: join(home, "python"),
  };
}

/** Where Truss mounts a repository of `model_cache` with `use_volume`. */
const volumeDirectory = "/app/model_cache";

/** Repositories of the hub that a config names for its code. */
export function hubFiles({ modelCache, weights }: Pick<TrussSettings, "modelCache" | "weights">): HubFiles[] {
  const cached = modelCache.map((repository) => ({
    field: "model_cache",
    repository: repository.repoId,
    revision: repository.revision === "" ? null : repository.revision,
    ...patterns(repository),
    secret: repository.runtimeSecretName,
    place: repository.useVolume ? join(volumeDirectory, repository.volumeFolder ?? "") : null,
  }));
  const mounted = weights.map((one) => {
    const [repository = "", revision = null] = one.source.replace(/^hf:\/\//, "").split("@");
    return {
      field: "weights",
      repository,
      revision,
      ...patterns(one),
      secret: hubSecretOf(one),
      place: one.mountLocation,
    };
  });
  return [...cached, ...mounted];
}

function patterns({
  allowPatterns,
  ignorePatterns,
}: Pick<MountedWeights, "allowPatterns" | "ignorePatterns">) {
  return {
    ...(allowPatterns === undefined ? {} : { allow_patterns: [...allowPatterns] }),
    ...(ignorePatterns === undefined ? {} : { ignore_patterns: [...ignorePatterns] }),
  };
}

/** Without a threshold nothing follows from what the code says. */
function healthOf({ runtime }: TrussSettings): Pick<ReplicaCode, "health"> {
  const { restartCheckDelaySeconds, restartThresholdSeconds, stopTrafficThresholdSeconds } =
    runtime.healthChecks;
  if (restartThresholdSeconds === undefined && stopTrafficThresholdSeconds === undefined) return {};
  return {
    health: {
      delay_ms: (restartCheckDelaySeconds ?? 0) * 1_000,
      ...(stopTrafficThresholdSeconds === undefined
        ? {}
        : { stop_traffic_ms: stopTrafficThresholdSeconds * 1_000 }),
      ...(restartThresholdSeconds === undefined ? {} : { restart_ms: restartThresholdSeconds * 1_000 }),
    },
  };
}

/** What is asked of an accelerator's memory lies in the machine's where there is none: then nobody has said how much. */
function memoryLimit({ resources }: TrussSettings): number | null {
  return resources.accelerator === undefined ? memoryBytes(resources.memory) : null;
}

/** Those that somebody has; a secret that the code asks for and nobody has is its own failure. */
function knownSecrets({ secrets }: TrussSettings, values: SecretValues): Record<string, string> {
  return Object.fromEntries(
    Object.entries(secrets)
      .map(([name, fallback]) => [name, valueOf(values, name) ?? fallback] as const)
      .filter((entry): entry is [string, string] => entry[1] !== null),
  );
}

/** Tokens that files are fetched with although the code does not declare them. */
function hubSecrets(truss: TrussSettings, values: SecretValues): Pick<PythonCode, "hub_secrets"> {
  const found = hubSecretNames(truss)
    .filter((name) => !Object.hasOwn(truss.secrets, name))
    .map((name) => [name, valueOf(values, name)] as const)
    .filter((entry): entry is [string, string] => entry[1] !== undefined);
  return found.length === 0 ? {} : { hub_secrets: Object.fromEntries(found) };
}

function valueOf(values: SecretValues, name: string): string | undefined {
  return Object.hasOwn(values, name) ? values[name] : undefined;
}
