// An importance matrix as llama.cpp's quantiser takes it: arrays in native memory, each ended by an entry of zeros, and
// the metadata that its own tool writes with it. Source: llama.h, llama_model_imatrix_data, llama_model_kv_override;
// tools/quantize/quantize.cpp for the keys.

import type { ImportanceMatrix } from "@corral/weights";

import { allocate, free } from "./abi.ts";
import type { Pointer } from "./abi-types.ts";

/** `name`, `data`, `size`: eight bytes each. */
const entryBytes = 24;
/** `tag` in four bytes, `key` in 128, four of padding, and a union of 128. */
const overrideBytes = 264;
const keyBytes = 128;
const overrideTags = { integer: 0, text: 3 } as const;

export interface NativeImportance extends Disposable {
  readonly imatrix: Pointer;
  readonly overrides: Pointer;
}

/** To be disposed of after the call that reads it. */
export function copyImportance(matrix: ImportanceMatrix): NativeImportance {
  const imatrix = copyEntries(matrix.entries);
  const overrides = copyOverrides(overridesOf(matrix));
  return {
    imatrix: imatrix.address,
    overrides: overrides.address,
    [Symbol.dispose]() {
      for (const { address, buffer } of [imatrix, overrides]) {
        buffer.transfer(0);
        free(address);
      }
    },
  };
}

function copyEntries(entries: ImportanceMatrix["entries"]): { address: Pointer; buffer: ArrayBuffer } {
  const named = Array.from(entries, ([name, values]) => ({ values, text: Buffer.from(`${name}\0`) }));
  const tableBytes = (named.length + 1) * entryBytes;
  const valueBytes = named.reduce((sum, { values }) => sum + values.byteLength, 0);
  const textBytes = named.reduce((sum, { text }) => sum + text.byteLength, 0);
  const memory = allocate(tableBytes + valueBytes + textBytes);
  const table = new DataView(memory.buffer);
  let valuesAt = tableBytes;
  let textAt = tableBytes + valueBytes;
  for (const [index, { values, text }] of named.entries()) {
    new Float32Array(memory.buffer, valuesAt, values.length).set(values);
    new Uint8Array(memory.buffer, textAt, text.byteLength).set(text);
    const at = index * entryBytes;
    table.setBigUint64(at, memory.address + BigInt(textAt), true);
    table.setBigUint64(at + 8, memory.address + BigInt(valuesAt), true);
    table.setBigUint64(at + 16, BigInt(values.length), true);
    valuesAt += values.byteLength;
    textAt += text.byteLength;
  }
  return memory;
}

/** What a file says of the importance matrix that it was written with. */
function overridesOf({ file, datasets, entryCount, chunkCount }: ImportanceMatrix) {
  const overrides: [key: string, value: string | number][] = [["quantize.imatrix.file", file]];
  const [dataset] = datasets;
  if (dataset !== undefined) overrides.push(["quantize.imatrix.dataset", dataset]);
  overrides.push(["quantize.imatrix.entries_count", entryCount]);
  if (chunkCount > 0) overrides.push(["quantize.imatrix.chunks_count", chunkCount]);
  return overrides;
}

function copyOverrides(overrides: readonly (readonly [key: string, value: string | number])[]) {
  const memory = allocate((overrides.length + 1) * overrideBytes);
  for (const [index, [key, value]] of overrides.entries()) {
    const at = index * overrideBytes;
    const view = new DataView(memory.buffer, at, overrideBytes);
    const text = (offset: number, words: string) =>
      Buffer.from(memory.buffer, at + offset, keyBytes - 1).write(words);
    text(4, key);
    view.setInt32(0, typeof value === "string" ? overrideTags.text : overrideTags.integer, true);
    if (typeof value === "string") text(keyBytes + 8, value);
    else view.setBigInt64(keyBytes + 8, BigInt(value), true);
  }
  return memory;
}
