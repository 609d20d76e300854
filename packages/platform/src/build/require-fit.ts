// Whether the memory there is will do for a version: asked before it is deployed, from the headers of its weights.

import type { Manifest } from "@corral/bundle";
import { ServingError, type CacheType, type Precision } from "@corral/contract";
import { checkGguf, fitOf, type FitMachine } from "@corral/weights";
import { besideBytes } from "../residency/memory-needs.ts";
import type { VersionRow } from "../store/schema.ts";
import { contextWishesOf, type ContextSettings } from "./context-wishes.ts";

type Planned = Pick<VersionRow, "manifest" | "weights_path" | "draft_models" | "adapters" | "model_name">;

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
  // What code takes is bounded by its own limit, and known when it runs.
  if (machine === null || version.weights_path === null) return;
  const { draft_models: draftModels, adapters } = version;
  const extraBytes = await besideBytes({ draftModels, adapters }, wishes, machine.processor);
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
