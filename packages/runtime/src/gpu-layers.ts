// How many layers of a model GPUs hold. Pure.

import type { ReplicaConfig } from "@corral/contract";
import {
  cacheNumberBytes,
  defaultCellCount,
  gpuLayersThatFit,
  layerCountOf,
  layerNeeds,
  wantedCellCount,
  type GgufHeader,
} from "@corral/weights";

type Wanted = Pick<ReplicaConfig, "precision" | "cache_type" | "limits">;

/** Whole blocks of every type of the KV cache. */
const cacheBlock = 32;

/**
 * Layers for GPUs with so much free memory, the output layer among them: all where they fit, 0 to the processor alone.
 * `reference` stays on the processor: GPUs may round float32 products, and sum in an order of their own.
 */
export function chooseGpuLayers(
  { precision, cache_type: cacheType = "f16", limits }: Wanted,
  header: GgufHeader,
  freeBytes: readonly number[],
): number {
  if (precision === "reference") return 0;
  const contextLength = limits.context_length ?? header.contextLength ?? defaultCellCount;
  const needs = layerNeeds(header, {
    cellCount: wantedCellCount({ cellCount: limits.cell_count }, contextLength),
    slotCount: limits.slot_count,
    microBatchTokenCount: limits.max_batch_tokens,
    cacheElementBytes: cacheNumberBytes(cacheBlock, cacheType) / cacheBlock,
  });
  return Math.min(layerCountOf(header), gpuLayersThatFit(needs, freeBytes));
}
