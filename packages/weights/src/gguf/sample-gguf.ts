// Writes small GGUF files for tests. Not part of the package's public face.

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
  const parts = [Buffer.from("GGUF"), u32(version), u64(tensors.length), u64(Object.keys(metadata).length)];
  for (const [key, value] of Object.entries(metadata)) parts.push(text(key), ...encode(value));
  let offset = 0;
  for (const tensor of tensors) {
    parts.push(
      text(tensor.name),
      u32(tensor.shape.length),
      ...tensor.shape.map(u64),
      u32(tensor.type),
      u64(offset),
    );
    offset += align(tensor.bytes);
  }
  const header = Buffer.concat(parts);
  return Buffer.concat([header, Buffer.alloc(align(header.length) - header.length + offset)]);
}

function encode(value: SampleValue): Buffer[] {
  if (typeof value === "string") return [u32(8), text(value)];
  if (typeof value === "boolean") return [u32(7), Buffer.from([value ? 1 : 0])];
  if (typeof value === "bigint") return [u32(10), u64(value)];
  if (typeof value === "number") return [u32(4), u32(value)];
  const items: readonly (string | number)[] = value;
  const strings = typeof items[0] === "string";
  const encoded = items.map((item) => (typeof item === "string" ? text(item) : u32(item)));
  return [u32(9), u32(strings ? 8 : 4), u64(items.length), ...encoded];
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([u64(bytes.length), bytes]);
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function u64(value: number | bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}

function align(bytes: number): number {
  return Math.ceil(bytes / 32) * 32;
}
