// Safetensors files with random weights, the same for the same seed: sources of conversion in tests and for the oracle.
// Not part of the package's public face.

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export type SampleDtype = "F32" | "F16" | "BF16" | "I32";

export interface SampleTensor {
  readonly name: string;
  readonly dtype: SampleDtype;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}

/** Around zero, of a size as trained weights have; around one for norms. */
export function randomTensor(
  name: string,
  dtype: SampleDtype,
  shape: readonly number[],
  seed: number,
): SampleTensor {
  const draw = createDraws(seed, name);
  const center = name.includes("norm") ? 1 : 0;
  const length = shape.reduce((product, count) => product * count, 1);
  const values = Float32Array.from({ length }, () => center + (draw() - 0.5) * 0.2);
  return { name, dtype, shape, bytes: bytesOf(values, dtype) };
}

export function bytesOf(values: Float32Array<ArrayBuffer>, dtype: SampleDtype): Uint8Array {
  switch (dtype) {
    case "F32":
      return new Uint8Array(values.buffer);
    case "F16":
      return new Uint8Array(new Float16Array(values).buffer);
    case "BF16":
      return new Uint8Array(Uint16Array.from(new Uint32Array(values.buffer), (bits) => bits >>> 16).buffer);
    case "I32":
      return new Uint8Array(Int32Array.from(values).buffer);
  }
}

export function encodeSafetensors(tensors: readonly SampleTensor[]): Buffer {
  const header: Record<string, unknown> = { __metadata__: { format: "pt" } };
  let offset = 0;
  for (const { name, dtype, shape, bytes } of tensors) {
    header[name] = { dtype, shape, data_offsets: [offset, offset + bytes.byteLength] };
    offset += bytes.byteLength;
  }
  return frameSafetensors(JSON.stringify(header), Buffer.concat(tensors.map(({ bytes }) => bytes)));
}

/** Any text as a header, so that tests can write what is wrong. */
export function frameSafetensors(header: string, weights: Uint8Array, claimedLength?: bigint): Buffer {
  const text = Buffer.from(header.padEnd(Math.ceil(header.length / 8) * 8));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(claimedLength ?? BigInt(text.byteLength));
  return Buffer.concat([length, text, weights]);
}

/** One file, or as many shards with their index. */
export function writeSafetensors(
  directory: string,
  tensors: readonly SampleTensor[],
  shardCount: number,
): void {
  mkdirSync(directory, { recursive: true });
  if (shardCount === 1) {
    writeFileSync(join(directory, "model.safetensors"), encodeSafetensors(tensors));
    return;
  }
  const weightMap: Record<string, string> = {};
  const perShard = Math.ceil(tensors.length / shardCount);
  for (let shard = 0; shard < shardCount; shard += 1) {
    const name = `model-${pad(shard + 1)}-of-${pad(shardCount)}.safetensors`;
    const part = tensors.slice(shard * perShard, (shard + 1) * perShard);
    for (const tensor of part) weightMap[tensor.name] = name;
    writeFileSync(join(directory, name), encodeSafetensors(part));
  }
  const totalSize = tensors.reduce((sum, { bytes }) => sum + bytes.byteLength, 0);
  const index = { metadata: { total_size: totalSize }, weight_map: weightMap };
  writeFileSync(join(directory, "model.safetensors.index.json"), JSON.stringify(index, null, 2));
}

function pad(number: number): string {
  return String(number).padStart(5, "0");
}

/** Numbers in [0, 1). Source: Mulberry32 by Tommy Ettinger, public domain. */
export function createDraws(seed: number, name: string): () => number {
  let state = seed >>> 0;
  for (const letter of name) state = (Math.imul(state, 31) + (letter.codePointAt(0) ?? 0)) >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let word = Math.imul(state ^ (state >>> 15), state | 1);
    word ^= word + Math.imul(word ^ (word >>> 7), word | 61);
    return ((word ^ (word >>> 14)) >>> 0) / 2 ** 32;
  };
}
