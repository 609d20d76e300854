// What `scripts/record-memory.ts` writes for each model: its header, and what was seen of its memory.

import type { CacheType, Precision } from "@corral/contract";
import type { GgufHeader, GgufTensor } from "../../gguf/header.ts";
import type { ProcessorFeature } from "../processor.ts";

export interface MemoryRecord {
  readonly model: string;
  readonly header: RecordedHeader;
  readonly runs: readonly RecordedRun[];
}

export interface RecordedRun {
  readonly precision: Precision;
  readonly cacheType: CacheType;
  readonly cellCount: number;
  readonly slotCount: number;
  readonly maxBatchTokenCount: number;
  /** By llama.cpp's words, in bytes. */
  readonly buffers: Readonly<Record<string, number>>;
  /** Proportional set size of a replica that has filled its context once; absent where none was started. */
  readonly replicaBytes?: number;
}

export interface MemoryRecording {
  readonly recordedBy: string;
  readonly llamaCpp: string;
  readonly node: string;
  readonly processor: string;
  readonly architecture: string;
  readonly features: readonly ProcessorFeature[];
  readonly models: readonly MemoryRecord[];
}

/** Without what takes room and decides nothing. */
export interface RecordedHeader extends Pick<
  GgufHeader,
  "architecture" | "fileType" | "contextLength" | "embeddingLength" | "blockCount" | "vocabularySize"
> {
  readonly metadata: readonly (readonly [key: string, value: number])[];
  readonly tensors: readonly (readonly [
    name: string,
    shape: readonly number[],
    type: string,
    offset: number,
    bytes: number,
  ])[];
}

export function recordHeader(header: GgufHeader): RecordedHeader {
  const { architecture, fileType, contextLength, embeddingLength, blockCount, vocabularySize } = header;
  return {
    architecture,
    fileType,
    contextLength,
    embeddingLength,
    blockCount,
    vocabularySize,
    metadata: [...header.metadata].flatMap(([key, value]) =>
      typeof value === "number" && key.startsWith(`${architecture}.`) ? [[key, value] as const] : [],
    ),
    tensors: header.tensors.map(({ name, shape, type, offset, bytes }) => [
      name,
      shape,
      type,
      offset,
      bytes ?? 0,
    ]),
  };
}

export function headerOf({ metadata, tensors, ...header }: RecordedHeader): GgufHeader {
  return {
    ...header,
    version: 3,
    name: null,
    chatTemplate: null,
    parameterCount: 0,
    metadataTypes: new Map(),
    metadata: new Map(metadata),
    tensors: tensors.map(([name, shape, type, offset, bytes]): GgufTensor => ({
      name,
      shape,
      type,
      offset,
      bytes,
    })),
    dataOffset: 0,
  };
}
