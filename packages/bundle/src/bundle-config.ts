// What a model directory says of the model in it, as a value. Reads nothing.

import type { CacheType, CallCaps, ModelDefaults, Precision } from "@corral/contract";

export const configFileName = "config.yaml";
export const generationConfigFileName = "generation_config.json";

/** Limits of a replica that the author sets; null: the platform decides. Names are those of the replica's config. */
export interface BundleLimits {
  readonly contextLength: number | null;
  readonly slotCount: number | null;
  readonly cellCount: number | null;
  readonly threadCount: number | null;
  readonly queueLength: number | null;
  /** How long prompts may make a step while others wait for their next token. Absent, not null: digests stay. */
  readonly maxStepMs?: number;
  /** Unused for so long the model gives its memory back. Absent, not null: digests stay. */
  readonly idleSeconds?: number;
  /** The type of keys and values in the KV cache. Absent, not null: digests stay. */
  readonly cacheType?: CacheType;
  /** What one call may cost; by their wire names. Absent, not null: digests stay. */
  readonly callCaps?: CallCaps;
}

/** What a model directory says of itself. Frozen, JSON-able. */
export interface BundleConfig {
  readonly modelName: string | null;
  readonly description: string | null;
  /** `model_metadata` without `corral`. */
  readonly metadata: Readonly<Record<string, unknown>>;
  /** As written: see `weightsReference`. Absent where code or a server of the author's answers without a model. */
  readonly weights?: string;
  /** Weights of draft models by the names that calls give, written as `weights`. Absent where there are none. */
  readonly draftModels?: Readonly<Record<string, string>>;
  /** Files of LoRA adapters by the names that calls give, written as `weights`. Absent where there are none. */
  readonly adapters?: Readonly<Record<string, string>>;
  /** Null: what the weights' catalogue row says, else `default`. */
  readonly precision: Precision | null;
  /** Used where the weights carry none. Absent, not null: digests stay. */
  readonly chatTemplate?: string;
  /** Parameter values by their wire names, merged over generation_config.json and under the caller's. */
  readonly defaults: ModelDefaults;
  readonly limits: BundleLimits;
  /** Whether code waits for the very Python it asks for, instead of the nearest newer one. Absent: no. */
  readonly strictPython?: true;
  /** Whether code is refused where its accelerator is not, instead of running on the CPU. Absent: no. */
  readonly strictResources?: true;
}

/** A config made in code, for versions that come from no directory (`corral deploy <identifier>`). */
export function bundleConfig(
  given: Partial<Omit<BundleConfig, "limits">> & { limits?: Partial<BundleLimits> },
): BundleConfig {
  return deepFreeze({
    modelName: null,
    description: null,
    metadata: {},
    precision: null,
    defaults: {},
    ...given,
    limits: {
      contextLength: null,
      slotCount: null,
      cellCount: null,
      threadCount: null,
      queueLength: null,
      ...given.limits,
    },
  });
}

export function deepFreeze<Value>(value: Value): Value {
  if (typeof value === "object" && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const item of Object.values(value)) deepFreeze(item);
  }
  return value;
}
