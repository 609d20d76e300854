// What the KV cache takes. Pure. Source: llama.cpp v0.5.0, llama-kv-cache.cpp and llama-kv-cells.h.

import type { CacheType } from "@corral/contract";
import type { ModelShape } from "./model-shape.ts";

/** Bytes of a block, and the numbers in it. */
const blocks: Readonly<Record<CacheType, { readonly length: number; readonly bytes: number }>> = {
  f32: { length: 1, bytes: 4 },
  f16: { length: 1, bytes: 2 },
  q8_0: { length: 32, bytes: 34 },
};

/** Cells are counted in steps of 256. */
export const cellStep = 256;

/** Position, shift, extension and the set of 256 sequences that a cell belongs to. */
const cellRecordBytes = 48;

/** Bytes of numbers in a type; their count is a multiple of the type's block. */
export function cacheNumberBytes(count: number, type: CacheType): number {
  const { length, bytes } = blocks[type];
  return Math.ceil(count / length) * bytes;
}

export interface CacheMemory {
  /** Keys and values, as llama.cpp reports them ("KV buffer size"). */
  readonly bufferBytes: number;
  /** The table of cells beside them. */
  readonly tableBytes: number;
}

/** @param cellCount rounded up to a multiple of 256 */
export function cacheMemory(shape: ModelShape, cellCount: number, type: CacheType): CacheMemory {
  const cells = Math.ceil(cellCount / cellStep) * cellStep;
  const cellBytes = shape.keyValueHeadCounts.reduce(
    (sum, headCount) =>
      sum +
      cacheNumberBytes(headCount * shape.keyLength, type) +
      cacheNumberBytes(headCount * shape.valueLength, type),
    0,
  );
  return { bufferBytes: cells * cellBytes, tableBytes: cells * cellRecordBytes };
}
