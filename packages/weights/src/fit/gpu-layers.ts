// How many layers of a model fit into GPUs' memory. Pure arithmetic over a GGUF's header.

import type { GgufHeader } from "../gguf/header.ts";
import { modelShape, sizedTensors } from "./model-shape.ts";

export interface ContextShape {
  readonly cellCount: number;
  readonly slotCount: number;
  /** Tokens the device takes at once. */
  readonly microBatchTokenCount: number;
  /** Bytes of a number in the KV cache. */
  readonly cacheElementBytes: number;
}

/** What of a model a GPU would hold, in bytes. */
export interface LayerNeeds {
  /** Weights and KV cache of every repeating layer, the first one first. */
  readonly layerBytes: readonly number[];
  /** The last layer, which turns states into logits. */
  readonly outputBytes: number;
  /** On every GPU that holds a layer. */
  readonly scratchBytes: number;
}

/** Kept free on every GPU: the driver's own, kernels, and what this estimate does not see. */
export const gpuMarginBytes = 512 * 1024 * 1024;

/** Layers with the output layer, which llama.cpp counts as one of them. */
export function layerCountOf(header: GgufHeader): number {
  return (header.blockCount ?? 0) + 1;
}

export function layerNeeds(header: GgufHeader, context: ContextShape): LayerNeeds {
  const shape = modelShape(header);
  const { layerCount, embeddingLength: width, feedForwardLength: innerWidth } = shape;
  const weightBytes = Array.from({ length: layerCount }, () => 0);
  let [inputBytes, outputBytes, sharedBytes] = [0, 0, 0];
  for (const [{ name }, bytes] of sizedTensors(header)) {
    const layer = /^blk\.(\d+)\./.exec(name)?.[1];
    if (layer !== undefined) weightBytes[Number(layer)] = (weightBytes[Number(layer)] ?? 0) + bytes;
    else if (name.startsWith("token_embd.")) inputBytes += bytes;
    else if (name.startsWith("output.")) outputBytes += bytes;
    else sharedBytes += bytes;
  }
  const { cellCount, slotCount, microBatchTokenCount, cacheElementBytes } = context;
  const mostHeads = Math.max(0, ...shape.keyValueHeadCounts);
  const cellBytes = mostHeads * (shape.keyLength + shape.valueLength) * cacheElementBytes;
  const scratch =
    microBatchTokenCount * cellCount * 4 +
    microBatchTokenCount * (8 * width + 3 * innerWidth) * 4 +
    (microBatchTokenCount + slotCount) * (header.vocabularySize ?? 0) * 4;
  return {
    layerBytes: weightBytes.map((bytes) => bytes + cellCount * cellBytes),
    // A model without an output matrix uses that of the input, which stays on the processor's side as well.
    outputBytes: (outputBytes === 0 ? inputBytes : outputBytes) + sharedBytes,
    scratchBytes: scratch,
  };
}

/** Layers that GPUs with so much free memory can hold: the output layer first, then the others from the last on. */
export function gpuLayersThatFit(needs: LayerNeeds, freeBytes: readonly number[]): number {
  const rooms = freeBytes
    .map((free) => free - gpuMarginBytes - needs.scratchBytes)
    .filter((room) => room > 0);
  // Layers are not cut: at every border between two GPUs up to one layer's room stays empty.
  const largest = Math.max(needs.outputBytes, ...needs.layerBytes);
  let room = rooms.reduce((sum, bytes) => sum + bytes, 0) - Math.max(0, rooms.length - 1) * largest;
  let count = 0;
  for (const bytes of [needs.outputBytes, ...needs.layerBytes.toReversed()]) {
    room -= bytes;
    if (room < 0) break;
    count += 1;
  }
  return count;
}
