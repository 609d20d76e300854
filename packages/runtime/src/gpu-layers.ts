// How many layers of a model GPUs hold, and how long its KV cache is at first. Pure.

import type { ReplicaConfig } from "@corral/contract";
import { gpuLayersThatFit, layerCountOf, layerNeeds, type GgufHeader } from "@corral/weights";

/** Cells of the KV cache where the configuration names no number and the context is shorter. */
const defaultCellCount = 16_384;

type Wanted = Pick<ReplicaConfig, "precision" | "limits">;

/** Cells that are tried first; a cache that nobody asked for shrinks where memory is short. */
export function firstCellCount({ limits }: Pick<Wanted, "limits">, contextLength: number): number {
  return limits.cell_count ?? Math.max(contextLength, defaultCellCount);
}

/**
 * Layers for GPUs with so much free memory, the output layer among them: all where they fit, 0 to the processor alone.
 * `reference` stays on the processor: GPUs may round float32 products, and sum in an order of their own.
 */
export function chooseGpuLayers(
  { precision, limits }: Wanted,
  header: GgufHeader,
  freeBytes: readonly number[],
): number {
  if (precision === "reference") return 0;
  const contextLength = limits.context_length ?? header.contextLength ?? defaultCellCount;
  const needs = layerNeeds(header, {
    cellCount: firstCellCount({ limits }, contextLength),
    slotCount: limits.slot_count,
    microBatchTokenCount: limits.max_batch_tokens,
    cacheElementBytes: 2,
  });
  return Math.min(layerCountOf(header), gpuLayersThatFit(needs, freeBytes));
}
