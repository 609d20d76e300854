// A version with its deployment's settings → what a replica starts with. Pure: reads no file, knows no process.

import { fieldsForFullPush, type Manifest, type PatchedBundle } from "@corral/bundle";
import type {
  CacheType,
  DeviceChoice,
  Precision,
  ReplicaAdapters,
  ReplicaEnvironment,
  ReplicaConfig,
  IntegrityChecks,
} from "@corral/contract";
import { join } from "node:path";
import type { MemoryNeeds } from "../residency/memory-needs.ts";
import { bodyLimitBytes } from "../gateway/proxy.ts";
import type { SecretValues } from "../secrets/declared.ts";
import { replicaCode } from "./replica-code.ts";

/** Weights of a draft model, or an adapter, on this machine. */
export interface DraftWeights {
  readonly name: string;
  readonly path: string;
  readonly sha256: string;
}

/** What a deployment adds to its version. */
export interface DeploymentSettings {
  /** Null: what the version asks for. */
  readonly precision: Precision | null;
  /** Unused for so long it is unloaded; null: what the version or the platform says. */
  readonly idleSeconds: number | null;
  /** Null: what the version asks for, or the model was trained for. */
  readonly contextLength: number | null;
  /** Of the KV cache; null: what the version asks for, or its precision. */
  readonly cacheType: CacheType | null;
}

export interface ReplicaPlan {
  readonly deploymentId: string;
  readonly deploymentName: string;
  readonly versionId: string;
  /** Patches may give its replica other code while it runs. */
  readonly development: boolean;
  /** Of Baseten's environments the one that it is in; null: none. */
  readonly environment: string | null;
  readonly projectId: string;
  readonly modelId: string;
  readonly modelName: string;
  /** Null: its code answers by itself. */
  readonly weights: { readonly path: string; readonly sha256: string } | null;
  /** Where the bundle's files lie; null: it came from no directory. */
  readonly bundleDirectory: string | null;
  readonly draftModels: readonly DraftWeights[];
  readonly adapters: readonly DraftWeights[];
  readonly manifest: Manifest;
  readonly settings: DeploymentSettings;
  /** What its last run took; null: it has not run yet, or not to its end. */
  readonly memory: MemoryNeeds;
  readonly lastRun: { readonly loadMs: number; readonly residentBytes: number | null } | null;
}

/** What the platform's own settings add, the same for all its replicas. */
export interface ReplicaHost {
  /** CORRAL_HOME. */
  readonly home: string;
  readonly logLevel: ReplicaConfig["log_level"];
  readonly device: DeviceChoice;
  /** Directory of llama.cpp libraries of one's own; null: those of the npm packages. */
  readonly llamaLibraries: string | null;
  readonly threadsDirectory: string | null;
  /** Each model's prefixes are in a directory of their own below this one; 0 bytes: none are kept. */
  readonly prefixes: { readonly directory: string; readonly limitBytes: number };
  readonly integrityChecks: IntegrityChecks;
}

/** Of one replica where the version says nothing. */
export const defaultLimits = {
  slotCount: 64,
  queueLength: 256,
  maxBatchTokens: 512,
  maxStepMs: 500,
} as const;

/** What a replica of a plan is told of its code; null: it has none. */
export function codeOf(
  {
    manifest,
    bundleDirectory,
    development,
    environment,
  }: Pick<ReplicaPlan, "manifest" | "bundleDirectory" | "development" | "environment">,
  replicaId: string,
  home: string,
  values: SecretValues,
): ReplicaConfig["code"] | null {
  const code = replicaCode(manifest, bundleDirectory, home, development ? replicaId : null, values);
  return code === null ? null : { ...code, environment: environmentValue(environment) };
}

/** As code is told it. */
export function environmentValue(name: string | null): ReplicaEnvironment["environment"] {
  return name === null ? null : { name };
}

/** Whether a replica of one plan only needs the code of the other to be one of it. */
export function sameEngine(a: ReplicaPlan, b: ReplicaPlan): boolean {
  const files = { changed: [], removed: [] };
  const loaded = ({ manifest, draftModels, adapters, weights, settings }: ReplicaPlan) =>
    JSON.stringify([
      weights?.sha256 ?? null,
      [...draftModels, ...adapters].map(({ name, sha256 }) => [name, sha256]),
      settings.precision,
      settings.contextLength,
      settings.cacheType,
      manifest.code === undefined,
    ]);
  const [before, after] = [patched(a.manifest), patched(b.manifest)];
  return loaded(a) === loaded(b) && fieldsForFullPush(before, after, files).length === 0;
}

function patched({ code, truss, config, generationConfig }: Manifest): PatchedBundle {
  return { code: code ?? null, truss: truss ?? null, config, generationConfig };
}

/** Name of the directory for saved prefixes: those of some weights in one precision and kind of cache. */
export function prefixesName(
  weightsSha256: string,
  { config }: Pick<Manifest, "config">,
  settings: Pick<DeploymentSettings, "precision" | "cacheType">,
): string {
  const precision = settings.precision ?? config.precision ?? "default";
  const cacheType = settings.cacheType ?? config.limits.cacheType;
  return `${weightsSha256.slice(0, 32)}-${cacheType === undefined ? precision : `${precision}-${cacheType}`}`;
}

export function replicaConfig(
  plan: ReplicaPlan,
  place: { readonly replicaId: string; readonly address: string; readonly token: string | null },
  host: ReplicaHost,
  addedAdapters?: ReplicaAdapters,
  secrets: SecretValues = {},
): ReplicaConfig {
  const { config, generationConfig } = plan.manifest;
  const { limits } = config;
  const precision = plan.settings.precision ?? config.precision ?? "default";
  const cacheType = plan.settings.cacheType ?? limits.cacheType;
  const { directory, limitBytes } = host.prefixes;
  const { weights } = plan;
  const code = codeOf(plan, place.replicaId, host.home, secrets);
  const prefixStore =
    limitBytes === 0 || weights === null
      ? null
      : {
          directory: join(directory, prefixesName(weights.sha256, plan.manifest, plan.settings)),
          limit_bytes: limitBytes,
        };
  return {
    replica_id: place.replicaId,
    deployment_id: plan.deploymentId,
    deployment_name: plan.deploymentName,
    model_id: plan.modelId,
    model_name: plan.modelName,
    address: place.address,
    token: place.token,
    ...(weights === null ? {} : { weights }),
    ...(code === null ? {} : { code }),
    ...(plan.draftModels.length === 0
      ? {}
      : { draft_models: plan.draftModels.map(({ name, path, sha256 }) => ({ name, path, sha256 })) }),
    ...(plan.adapters.length === 0
      ? {}
      : { adapters: plan.adapters.map(({ name, path, sha256 }) => ({ name, path, sha256 })) }),
    ...(addedAdapters === undefined ? {} : { added_adapters: addedAdapters }),
    precision,
    ...(cacheType === undefined ? {} : { cache_type: cacheType }),
    device: host.device,
    ...(host.llamaLibraries === null ? {} : { library_directory: host.llamaLibraries }),
    threads_directory: host.threadsDirectory,
    prefix_store: prefixStore,
    integrity_checks: host.integrityChecks,
    generation_config: { ...generationConfig },
    defaults: config.defaults,
    ...(config.chatTemplate === undefined ? {} : { chat_template: config.chatTemplate }),
    limits: {
      context_length: plan.settings.contextLength ?? limits.contextLength,
      slot_count: limits.slotCount ?? defaultLimits.slotCount,
      cell_count: limits.cellCount ?? plan.memory.cellCount,
      max_batch_tokens: defaultLimits.maxBatchTokens,
      max_step_ms: limits.maxStepMs ?? defaultLimits.maxStepMs,
      thread_count: limits.threadCount,
      queue_length: limits.queueLength ?? defaultLimits.queueLength,
      body_bytes: bodyLimitBytes,
      call_caps: limits.callCaps ?? {},
    },
    log_level: host.logLevel,
  };
}
