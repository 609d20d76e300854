// What a replica takes in memory, part by part, from the header of its weights alone. Pure.

import type { GgufHeader } from "../gguf/header.ts";
import { computeBufferBytes } from "./compute-graph.ts";
import { cacheMemory } from "./kv-cache.ts";
import { modelShape, type ModelShape } from "./model-shape.ts";
import type { Processor } from "./processor.ts";
import type { ReplicaContext } from "./replica-context.ts";
import { hasHalfPrecision, weightsMemory, type WeightsMemory } from "./weights-memory.ts";

/** Bytes. */
export interface FitNeeds {
  /** What steps read of the weights, in the file and in copies. */
  readonly weightsBytes: number;
  /** Keys and values, and the table of their cells. */
  readonly cacheBytes: number;
  /** llama.cpp's compute buffer, its scratch, and the rows of outputs. */
  readonly computeBytes: number;
  /** The process itself, with the vocabulary. */
  readonly processBytes: number;
  readonly totalBytes: number;
  /** What the process is seen to hold while nobody else needs the memory: the whole file stays mapped. */
  readonly residentBytes: number;
}

/** A replica with nothing loaded, measured by `scripts/record-memory.ts`. */
const emptyProcessBytes = 124 * 1024 ** 2;
/** Of every token: its text, what it is found by, and the merges of its pieces. */
const tokenBytes = 370;

export interface MemoryParts {
  readonly weights: WeightsMemory;
  readonly cacheBufferBytes: number;
  readonly cacheTableBytes: number;
  readonly computeBufferBytes: number;
  readonly outputBufferBytes: number;
  readonly scratchBytes: number;
}

export function memoryParts(
  header: GgufHeader,
  context: ReplicaContext,
  processor: Processor,
  shape: ModelShape = modelShape(header),
): MemoryParts {
  const float32 = !context.flashAttention && hasHalfPrecision(header);
  const cache = cacheMemory(shape, context.cellCount, context.cacheType);
  return {
    weights: weightsMemory(header, processor, float32),
    cacheBufferBytes: cache.bufferBytes,
    cacheTableBytes: cache.tableBytes,
    computeBufferBytes: computeBufferBytes(header, shape, context),
    outputBufferBytes: context.rowCount * shape.vocabularySize * 4,
    scratchBytes: scratchBytes(shape, context),
  };
}

export function needsOf(parts: MemoryParts, vocabularySize: number): FitNeeds {
  const { weights } = parts;
  const weightsBytes = weights.usedMappedBytes + weights.repackedBytes;
  const cacheBytes = parts.cacheBufferBytes + parts.cacheTableBytes;
  const computeBytes = parts.computeBufferBytes + parts.outputBufferBytes + parts.scratchBytes;
  const processBytes = emptyProcessBytes + vocabularySize * tokenBytes;
  const others = cacheBytes + computeBytes + processBytes;
  return {
    weightsBytes,
    cacheBytes,
    computeBytes,
    processBytes,
    totalBytes: weightsBytes + others,
    residentBytes: weights.mappedBytes + weights.repackedBytes + others,
  };
}

/** Activations in the type that a product takes, at its widest; two bytes hold any of them. */
function scratchBytes(shape: ModelShape, { microBatchTokenCount }: ReplicaContext): number {
  const widest = Math.max(shape.embeddingLength, shape.feedForwardLength, shape.headCount * shape.keyLength);
  return microBatchTokenCount * widest * 2;
}
