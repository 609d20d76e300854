// Small GGUF files for tests, right and wrong ones. Not part of the package's public face.

import { encodeHeader, type WritableValue } from "./writer.ts";

export type SampleValue = string | number | boolean | bigint | readonly string[] | readonly number[];

export interface SampleTensor {
  readonly name: string;
  readonly shape: readonly number[];
  /** ggml's number; 0 is F32. */
  readonly type: number;
  readonly bytes: number;
}

export interface Sample {
  readonly version?: number;
  readonly metadata?: Readonly<Record<string, SampleValue>>;
  readonly tensors?: readonly SampleTensor[];
}

export const plainMetadata = {
  "general.architecture": "llama",
  "general.name": "sample",
  "general.file_type": 15,
  "llama.context_length": 2048,
  "llama.embedding_length": 64,
  "llama.block_count": 2,
  "tokenizer.ggml.tokens": ["a", "b", "c"],
  "tokenizer.chat_template": "{{ messages }}",
} as const;

export const plainTensors: readonly SampleTensor[] = [
  { name: "token_embd.weight", shape: [64, 3], type: 0, bytes: 768 },
  { name: "output_norm.weight", shape: [64], type: 0, bytes: 256 },
];

export function sampleGguf({
  version = 3,
  metadata = plainMetadata,
  tensors = plainTensors,
}: Sample = {}): Buffer {
  const values = Object.entries(metadata).map(([key, value]) => [key, typed(value)] as const);
  const placed = tensors.map(({ type, ...tensor }) => ({ ...tensor, typeNumber: type }));
  const header = encodeHeader(Object.fromEntries(values), placed, version);
  const weightBytes = tensors.reduce((sum, { bytes }) => sum + Math.ceil(bytes / 32) * 32, 0);
  return Buffer.concat([header, Buffer.alloc(weightBytes)]);
}

function typed(value: SampleValue): WritableValue {
  if (typeof value === "string") return { type: "string", value };
  if (typeof value === "boolean") return { type: "bool", value };
  if (typeof value === "bigint") return { type: "u64", value };
  if (typeof value === "number") return { type: "u32", value };
  return isTexts(value) ? { type: "strings", items: value } : { type: "numbers", of: "u32", items: value };
}

function isTexts(value: readonly string[] | readonly number[]): value is readonly string[] {
  return typeof value[0] === "string";
}
