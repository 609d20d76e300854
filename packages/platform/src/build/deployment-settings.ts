// What a deployment adds to its version, between a request, a row of the store and a replica's config.

import { cacheTypes, precisions, type CreateDeployment } from "@corral/contract";
import type { DeploymentSettings } from "./replica-config.ts";

/** As the store keeps them: what was not asked for is absent, or null where earlier releases wrote it so. */
export type StoredSettings = Readonly<Record<string, unknown>>;

export function settingsFrom(stored: StoredSettings): Omit<DeploymentSettings, "idleSeconds"> {
  const { precision, context_length: contextLength, cache_type: cacheType } = stored;
  return {
    precision: precisions.find((known) => known === precision) ?? null,
    contextLength: typeof contextLength === "number" ? contextLength : null,
    cacheType: cacheTypes.find((known) => known === cacheType) ?? null,
  };
}

export function settingsOf(body: CreateDeployment): StoredSettings {
  const { precision = null, context_length: contextLength, cache_type: cacheType } = body;
  return {
    precision,
    ...(contextLength === undefined ? {} : { context_length: contextLength }),
    ...(cacheType === undefined ? {} : { cache_type: cacheType }),
  };
}

/** Whether replicas would be the same. When they are unloaded makes no other replica. */
export function sameSettings(a: StoredSettings, b: StoredSettings): boolean {
  const [one, other] = [settingsFrom(a), settingsFrom(b)];
  return (
    one.precision === other.precision &&
    one.contextLength === other.contextLength &&
    one.cacheType === other.cacheType
  );
}
