// What a GGUF's header says of its model's shape, with llama.cpp's defaults filled in. Pure.

import type { GgufHeader, GgufTensor } from "../gguf/header.ts";

/** Where a number differs by layer, the largest. */
export interface ModelShape {
  readonly architecture: string;
  readonly layerCount: number;
  readonly embeddingLength: number;
  readonly feedForwardLength: number;
  readonly headCount: number;
  /** Of each layer. */
  readonly keyValueHeadCounts: readonly number[];
  /** Numbers of a head's key, and of its value. */
  readonly keyLength: number;
  readonly valueLength: number;
  readonly vocabularySize: number;
  /** Null: the file does not say. */
  readonly trainedContextLength: number | null;
  /** Experts of a layer, and those that a token uses; 0: the model has none. */
  readonly expertCount: number;
  readonly usedExpertCount: number;
  readonly expertFeedForwardLength: number;
}

/** `LLAMA_MAX_LAYERS` of llama.cpp v0.5.0. */
const mostLayers = 512;
/** `LLAMA_MAX_EXPERTS` there. */
const mostExperts = 1024;

export function modelShape(header: GgufHeader): ModelShape {
  // A header may lie: every layer has tensors, and llama.cpp takes no more layers than this.
  const layerCount = Math.min(header.blockCount ?? 0, header.tensors.length, mostLayers);
  const embeddingLength = header.embeddingLength ?? 0;
  const headCount = numberOf(header, "attention.head_count") ?? 1;
  const headLength = Math.floor(embeddingLength / Math.max(1, headCount));
  const feedForwardLength = numberOf(header, "feed_forward_length") ?? 4 * embeddingLength;
  const keyValueHeads = numbersOf(header, "attention.head_count_kv");
  const expertCount = Math.min(numberOf(header, "expert_count") ?? 0, mostExperts);
  return {
    architecture: header.architecture,
    layerCount,
    embeddingLength,
    feedForwardLength,
    headCount,
    keyValueHeadCounts: Array.from(
      { length: layerCount },
      (_, layer) => keyValueHeads[layer] ?? keyValueHeads[0] ?? headCount,
    ),
    keyLength: numberOf(header, "attention.key_length") ?? headLength,
    valueLength: numberOf(header, "attention.value_length") ?? headLength,
    vocabularySize: header.vocabularySize ?? 0,
    trainedContextLength: header.contextLength,
    expertCount,
    usedExpertCount: Math.min(numberOf(header, "expert_used_count") ?? 0, expertCount),
    expertFeedForwardLength: numberOf(header, "expert_feed_forward_length") ?? feedForwardLength,
  };
}

/** Of an array with a number per layer the largest. */
export function numberOf(header: GgufHeader, key: string): number | undefined {
  const numbers = numbersOf(header, key);
  return numbers.length === 0 ? undefined : Math.max(...numbers);
}

function numbersOf(header: GgufHeader, key: string): readonly number[] {
  const value = header.metadata.get(`${header.architecture}.${key}`);
  if (typeof value === "number" || typeof value === "bigint") return [Number(value)];
  if (typeof value !== "object" || value.items === null) return [];
  return value.items.map(Number);
}

/** Bytes of every tensor; one of an unknown type reaches to the next one. */
export function sizedTensors({ tensors }: GgufHeader): readonly (readonly [GgufTensor, bytes: number])[] {
  const offsets = [...new Set(tensors.map(({ offset }) => offset))].toSorted((a, b) => a - b);
  const nextOffsets = new Map(offsets.map((offset, index) => [offset, offsets[index + 1] ?? offset]));
  return tensors.map((tensor) => {
    const { offset, bytes } = tensor;
    return [tensor, bytes ?? (nextOffsets.get(offset) ?? offset) - offset] as const;
  });
}
