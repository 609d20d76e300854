// Whether the memory there is will do for a version: asked before it is deployed, from the headers of its weights.

import type { Manifest } from "@corral/bundle";
import { ServingError, type CacheType, type Precision } from "@corral/contract";
import { checkGguf, fitOf, type FitMachine, type FitWishes } from "@corral/weights";
import type { VersionRow } from "../store/schema.ts";
import { defaultLimits, type DeploymentSettings } from "./replica-config.ts";

type Planned = Pick<VersionRow, "manifest" | "weights_path" | "draft_models" | "model_name">;

type ContextSettings = Pick<DeploymentSettings, "precision" | "contextLength" | "cacheType">;

/** Of a replica of the version with a deployment's settings. */
export function contextWishesOf(manifest: Manifest, settings: ContextSettings): FitWishes {
  const { limits, precision } = manifest.config;
  return {
    contextLength: settings.contextLength ?? limits.contextLength,
    cellCount: limits.cellCount,
    slotCount: limits.slotCount ?? defaultLimits.slotCount,
    maxBatchTokenCount: defaultLimits.maxBatchTokens,
    precision: settings.precision ?? precision ?? "default",
    cacheType: settings.cacheType ?? limits.cacheType,
  };
}

/**
 * Fails with `model_too_large` and what would fit: a context, a type of the KV cache or a quantisation.
 * @param machine null: it is not known here, as where GPUs may hold the model; the replica then finds out
 */
export async function requireFit(
  version: Planned,
  settings: ContextSettings,
  machine: FitMachine | null,
): Promise<void> {
  const wishes = contextWishesOf(version.manifest as Manifest, settings);
  requirePossible(wishes.precision, wishes.cacheType);
  if (machine === null) return;
  let extraBytes = 0;
  for (const { path } of version.draft_models) {
    extraBytes += fitOf(await checkGguf(path), wishes, machine).needs.weightsBytes;
  }
  const fit = fitOf(await checkGguf(version.weights_path), { ...wishes, extraBytes }, machine);
  if (fit.kind === "fits") return;
  throw new ServingError("model_too_large", `${version.model_name} does not fit in memory. ${fit.advice}`);
}

function requirePossible(precision: Precision, cacheType: CacheType | undefined): void {
  if (precision !== "reference" || cacheType === undefined || cacheType === "f32") return;
  const message = `cache_type is ${cacheType}; with precision reference it is f32. Leave one of them out.`;
  throw new ServingError("invalid_parameter", message, {
    errors: [{ pointer: "/cache_type", code: "invalid_parameter", message }],
  });
}
