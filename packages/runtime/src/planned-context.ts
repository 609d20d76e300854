// The context that a replica opens, planned from the headers of its weights before they are loaded, as `deploy` did.

import { statSync } from "node:fs";
import { ServingError, type ReplicaConfig } from "@corral/contract";
import {
  checkGguf,
  fitOf,
  replicaContext,
  type ContextWishes,
  type FitMachine,
  type ReplicaContext,
} from "@corral/weights";
import type { ModelReplicaConfig } from "./loaded-model.ts";

type Wanted = Pick<ReplicaConfig, "precision" | "cache_type" | "limits">;

export function contextWishes({ precision, cache_type: cacheType, limits }: Wanted): ContextWishes {
  return {
    contextLength: limits.context_length,
    cellCount: limits.cell_count,
    slotCount: limits.slot_count,
    maxBatchTokenCount: limits.max_batch_tokens,
    precision,
    cacheType,
  };
}

/** @param cellCount instead of those that are wanted */
export function plannedContext(
  config: Wanted,
  { trainedContextLength, vocabSize }: { readonly trainedContextLength: number; readonly vocabSize: number },
  cellCount?: number,
): ReplicaContext {
  return replicaContext(contextWishes(config), trainedContextLength, vocabSize, cellCount);
}

/** As many cells as there is memory for beside the weights. Fails with `model_too_large`, saying what would fit. */
export async function fittingCellCount(
  config: Wanted & Pick<ModelReplicaConfig, "weights" | "draft_models" | "adapters" | "added_adapters">,
  machine: FitMachine,
): Promise<number> {
  let extraBytes = 0;
  for (const { path } of config.draft_models ?? []) {
    extraBytes += fitOf(await checkGguf(path), contextWishes(config), machine).needs.weightsBytes;
  }
  // One that is gone or changed is told of when it is loaded.
  for (const { path } of [...(config.adapters ?? []), ...(config.added_adapters?.adapters ?? [])])
    extraBytes += statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  const header = await checkGguf(config.weights.path);
  const fit = fitOf(header, { ...contextWishes(config), extraBytes }, machine);
  if (fit.kind === "fits") return fit.context.cellCount;
  throw new ServingError("model_too_large", fit.advice);
}
