// The shapes of Llama models that benchmarks use, and what a GGUF says of them: metadata and tensor table. Pure.

import type { WritableGguf, WritableTensor, WritableValue } from "@corral/weights";
import { createVocabulary, type VocabularyKind } from "./vocabulary.ts";

export interface LlamaShape {
  readonly layerCount: number;
  readonly embeddingLength: number;
  readonly feedForwardLength: number;
  readonly headCount: number;
  readonly keyValueHeadCount: number;
  readonly vocabularySize: number;
  readonly vocabulary: VocabularyKind;
  readonly ropeTheta: number;
  /** The output matrix is the embedding. */
  readonly tiedEmbeddings: boolean;
  readonly contextLength: number;
}

export const shapes = {
  /** For tests: loads and computes in no time. */
  nano: {
    layerCount: 2,
    embeddingLength: 256,
    feedForwardLength: 512,
    headCount: 4,
    keyValueHeadCount: 2,
    vocabularySize: 2_000,
    vocabulary: "sentence-piece",
    ropeTheta: 10_000,
    tiedEmbeddings: false,
    contextLength: 1_024,
  },
  /** Heads that share keys and values, and the vocabulary of a large model: most of it is the vocabulary. */
  wide: {
    layerCount: 2,
    embeddingLength: 256,
    feedForwardLength: 512,
    headCount: 8,
    keyValueHeadCount: 2,
    vocabularySize: 128_256,
    vocabulary: "byte-level",
    ropeTheta: 500_000,
    tiedEmbeddings: true,
    contextLength: 2_048,
  },
  /** A prompt of 512 tokens takes seconds on two cores: to try benchmarks. */
  small: {
    layerCount: 12,
    embeddingLength: 1_024,
    feedForwardLength: 2_816,
    headCount: 16,
    keyValueHeadCount: 16,
    vocabularySize: 32_000,
    vocabulary: "sentence-piece",
    ropeTheta: 10_000,
    tiedEmbeddings: false,
    contextLength: 8_192,
  },
  /** Llama-3.2-1B, but for its context of 131,072 tokens and the scaling of its positions. */
  "1b": {
    layerCount: 16,
    embeddingLength: 2_048,
    feedForwardLength: 8_192,
    headCount: 32,
    keyValueHeadCount: 8,
    vocabularySize: 128_256,
    vocabulary: "byte-level",
    ropeTheta: 500_000,
    tiedEmbeddings: true,
    contextLength: 8_192,
  },
  /** Llama-2-7B. */
  "7b": {
    layerCount: 32,
    embeddingLength: 4_096,
    feedForwardLength: 11_008,
    headCount: 32,
    keyValueHeadCount: 32,
    vocabularySize: 32_000,
    vocabulary: "sentence-piece",
    ropeTheta: 10_000,
    tiedEmbeddings: false,
    contextLength: 4_096,
  },
} as const satisfies Readonly<Record<string, LlamaShape>>;

export type ShapeName = keyof typeof shapes;
export const shapeNames = Object.keys(shapes) as ShapeName[];

/** `general.file_type` of files whose matrices are f16. */
const mostlyF16 = 1;

export interface DescribedLlama extends WritableGguf {
  /** Tokens whose rows in the output matrix are zero, so that greedy and top-k never choose them. */
  readonly unwantedTokens: ReadonlySet<number>;
}

/** Header of a file with f16 matrices and f32 norms, as llama.cpp's converter writes it. */
export function describeLlama(name: string, shape: LlamaShape): DescribedLlama {
  const vocabulary = createVocabulary(shape.vocabulary, shape.vocabularySize);
  const headLength = shape.embeddingLength / shape.headCount;
  const metadata: Record<string, WritableValue> = {
    "general.architecture": text("llama"),
    "general.type": text("model"),
    "general.name": text(`random ${name}`),
    "general.file_type": u32(mostlyF16),
    "llama.block_count": u32(shape.layerCount),
    "llama.context_length": u32(shape.contextLength),
    "llama.embedding_length": u32(shape.embeddingLength),
    "llama.feed_forward_length": u32(shape.feedForwardLength),
    "llama.attention.head_count": u32(shape.headCount),
    "llama.attention.head_count_kv": u32(shape.keyValueHeadCount),
    "llama.attention.layer_norm_rms_epsilon": f32(1e-5),
    "llama.rope.dimension_count": u32(headLength),
    "llama.rope.freq_base": f32(shape.ropeTheta),
    "llama.vocab_size": u32(shape.vocabularySize),
    ...vocabulary.metadata,
  };
  return { metadata, tensors: listTensors(shape), unwantedTokens: vocabulary.unwantedTokens };
}

function listTensors(shape: LlamaShape): WritableTensor[] {
  const { embeddingLength: embedding, feedForwardLength: forward, vocabularySize } = shape;
  const keyLength = (embedding / shape.headCount) * shape.keyValueHeadCount;
  const layers = Array.from({ length: shape.layerCount }, (_, layer) => [
    norm(`blk.${layer}.attn_norm.weight`, embedding),
    matrix(`blk.${layer}.attn_q.weight`, embedding, embedding),
    matrix(`blk.${layer}.attn_k.weight`, embedding, keyLength),
    matrix(`blk.${layer}.attn_v.weight`, embedding, keyLength),
    matrix(`blk.${layer}.attn_output.weight`, embedding, embedding),
    norm(`blk.${layer}.ffn_norm.weight`, embedding),
    matrix(`blk.${layer}.ffn_gate.weight`, embedding, forward),
    matrix(`blk.${layer}.ffn_up.weight`, embedding, forward),
    matrix(`blk.${layer}.ffn_down.weight`, forward, embedding),
  ]);
  return [
    matrix("token_embd.weight", embedding, vocabularySize),
    ...layers.flat(),
    norm("output_norm.weight", embedding),
    ...(shape.tiedEmbeddings ? [] : [matrix("output.weight", embedding, vocabularySize)]),
  ];
}

const matrix = (name: string, rowLength: number, rowCount: number): WritableTensor => ({
  name,
  shape: [rowLength, rowCount],
  type: "F16",
});
const norm = (name: string, length: number): WritableTensor => ({ name, shape: [length], type: "F32" });
const text = (value: string): WritableValue => ({ type: "string", value });
const u32 = (value: number): WritableValue => ({ type: "u32", value });
const f32 = (value: number): WritableValue => ({ type: "f32", value });
