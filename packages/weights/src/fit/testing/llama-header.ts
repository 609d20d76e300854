// Headers of Llama models that nobody wants to fetch for a test.

import type { GgufHeader, GgufTensor } from "../../gguf/header.ts";
import { tensorTypes } from "../../gguf/tensor-types.ts";
import type { GgufValue } from "../../gguf/value.ts";

interface Shape {
  readonly layers: number;
  readonly width: number;
  readonly inner: number;
  readonly heads: number;
  readonly keyValueHeads: number;
  readonly vocabulary: number;
  readonly context: number;
}

const shapes = {
  /** Llama 3.1 8B. */
  "8b": {
    layers: 32,
    width: 4096,
    inner: 14_336,
    heads: 32,
    keyValueHeads: 8,
    vocabulary: 128_256,
    context: 131_072,
  },
} as const satisfies Record<string, Shape>;

/** As llama.cpp's converter would write it, every matrix of one type. */
export function llamaHeader(name: keyof typeof shapes, type: string): GgufHeader {
  const { layers, width, inner, heads, keyValueHeads, vocabulary, context } = shapes[name];
  const keys = (width / heads) * keyValueHeads;
  const layer = (number: number): [string, readonly number[]][] => [
    [`blk.${number}.attn_norm.weight`, [width]],
    [`blk.${number}.attn_q.weight`, [width, width]],
    [`blk.${number}.attn_k.weight`, [width, keys]],
    [`blk.${number}.attn_v.weight`, [width, keys]],
    [`blk.${number}.attn_output.weight`, [width, width]],
    [`blk.${number}.ffn_norm.weight`, [width]],
    [`blk.${number}.ffn_gate.weight`, [width, inner]],
    [`blk.${number}.ffn_up.weight`, [width, inner]],
    [`blk.${number}.ffn_down.weight`, [inner, width]],
  ];
  const described: [string, readonly number[]][] = [
    ["token_embd.weight", [width, vocabulary]],
    ...Array.from({ length: layers }, (_, number) => layer(number)).flat(),
    ["output_norm.weight", [width]],
    ["output.weight", [width, vocabulary]],
  ];
  let offset = 4096;
  const tensors = described.map(([tensor, shape]): GgufTensor => {
    const own = shape.length === 1 ? "F32" : type;
    const { blockLength, blockBytes } = [...tensorTypes.values()].find((known) => known.name === own) ?? {
      blockLength: 1,
      blockBytes: 4,
    };
    const count = shape.reduce((product, length) => product * length, 1);
    const placed = { name: tensor, shape, type: own, offset, bytes: (count / blockLength) * blockBytes };
    offset += placed.bytes;
    return placed;
  });
  const metadata = new Map<string, GgufValue>([
    ["llama.attention.head_count", heads],
    ["llama.attention.head_count_kv", keyValueHeads],
    ["llama.feed_forward_length", inner],
  ]);
  return {
    version: 3,
    architecture: "llama",
    name,
    contextLength: context,
    embeddingLength: width,
    blockCount: layers,
    vocabularySize: vocabulary,
    fileType: type,
    chatTemplate: null,
    parameterCount: 0,
    metadataTypes: new Map(),
    metadata,
    tensors,
    dataOffset: 4096,
  };
}
