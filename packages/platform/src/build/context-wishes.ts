// What a replica of a version asks of memory for its context, with a deployment's settings.

import type { Manifest } from "@corral/bundle";
import type { FitWishes } from "@corral/weights";
import { defaultLimits, type DeploymentSettings } from "./replica-config.ts";

export type ContextSettings = Pick<DeploymentSettings, "precision" | "contextLength" | "cacheType">;

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
