// Where the weights of a GGUF lie once they are loaded for the processor: in the mapped file, and in copies. Pure.
// Source: llama.cpp v0.5.0, llama-model-loader.cpp (create_tensor, get_mapping_range).

import type { GgufHeader } from "../gguf/header.ts";
import { sizedTensors } from "./model-shape.ts";
import type { Processor } from "./processor.ts";
import { repackedBytes } from "./repack.ts";

export interface WeightsMemory {
  /** From the first to the last byte of the file that stays mapped. */
  readonly mappedBytes: number;
  /** Of the mapped bytes those that steps read; the others belong to matrices that were copied, and may be dropped. */
  readonly usedMappedBytes: number;
  /** Copies, each process its own. */
  readonly repackedBytes: number;
}

/** @param float32 whether matrices of half precision are rewritten as float32 first (`reference`) */
export function weightsMemory(header: GgufHeader, processor: Processor, float32 = false): WeightsMemory {
  const isTied = !header.tensors.some(({ name }) => name === "output.weight");
  let [first, last] = [Number.POSITIVE_INFINITY, 0];
  let [used, repacked, growth] = [0, 0, 0];
  for (const [tensor, bytes] of sizedTensors(header)) {
    const { name, shape } = tensor;
    const isEmbedding = name === "token_embd.weight";
    const type = float32 && isHalf(tensor.type) ? "F32" : tensor.type;
    const size = type === tensor.type ? bytes : product(shape) * 4;
    growth += size - bytes;
    const copy = repackedBytes({ type, shape, bytes: size }, processor);
    // The embedding is looked up in the file; where it is the output matrix too, that one is a copy.
    if (copy !== null && (!isEmbedding || isTied)) repacked += copy;
    if (copy !== null && !isEmbedding) continue;
    used += size;
    first = Math.min(first, tensor.offset);
    last = Math.max(last, tensor.offset + bytes);
  }
  return {
    mappedBytes: last === 0 ? 0 : last - first + growth,
    usedMappedBytes: used,
    repackedBytes: repacked,
  };
}

/** Whether `reference` precision computes these weights as float32. */
export function hasHalfPrecision(header: GgufHeader): boolean {
  return header.fileType === "F16" || header.fileType === "BF16";
}

const isHalf = (type: string) => type === "F16" || type === "BF16";
const product = (shape: readonly number[]) => shape.reduce((count, length) => count * length, 1);
