// A trained model whose rows are whole blocks of every type: corral-tiny-2 with each activation twice. A matrix sees
// [x, x] and gives [y, y], so its rows are twice [w/2, w/2]; heads are doubled likewise. It computes what the original
// does, and as halves of float16 are exact, bit by bit but for sums in another order.

import { readFileSync, writeFileSync } from "node:fs";
import { checkGguf, type GgufTensor } from "@corral/weights";
import { tinyModelPath } from "./tiny-models.ts";

/** Header values of the original that are twice as large here. */
const doubledKeys = [
  "llama.embedding_length",
  "llama.feed_forward_length",
  "llama.attention.head_count",
  "llama.attention.head_count_kv",
];
/** In bytes: `GGUF`, the version and the two counts. */
const countsEnd = 24;
const alignment = 32;

export async function writeDoubledModel(path: string): Promise<void> {
  const source = tinyModelPath("corral-tiny-2");
  const { tensors, dataOffset } = await checkGguf(source);
  const bytes = readFileSync(source);
  const [first] = tensors;
  const table = bytes.indexOf(lengthAndText(first!.name), countsEnd);
  const metadata = Buffer.from(bytes.subarray(0, table));
  for (const key of doubledKeys) {
    // The key, four bytes of type, and a u32.
    const at = metadata.indexOf(lengthAndText(key), countsEnd) + 8 + key.length + 4;
    metadata.writeUInt32LE(metadata.readUInt32LE(at) * 2, at);
  }
  const doubled = tensors.map((tensor) => ({ tensor, data: pad(double(tensor, bytes)) }));
  let offset = 0;
  const entries = doubled.map(({ tensor: { name, shape, type }, data }) => {
    const entry = Buffer.alloc(8 + name.length + 4 + shape.length * 8 + 4 + 8);
    lengthAndText(name).copy(entry);
    let at = entry.writeUInt32LE(shape.length, 8 + name.length);
    for (const [dimension, length] of shape.entries()) {
      at = entry.writeBigUInt64LE(BigInt(isDoubled(name, dimension) ? length * 2 : length), at);
    }
    at = entry.writeUInt32LE(type === "F32" ? 0 : 1, at);
    entry.writeBigUInt64LE(BigInt(offset), at);
    offset += data.length;
    return entry;
  });
  const header = pad(Buffer.concat([metadata, ...entries]));
  if (dataOffset % alignment !== 0) throw new Error(`${source} is aligned otherwise`);
  writeFileSync(path, Buffer.concat([header, ...doubled.map(({ data }) => data)]));
}

/** Of token embedding and output matrix the rows are the vocabulary. */
function isDoubled(name: string, dimension: number): boolean {
  return dimension === 0 || !isOfVocabulary(name);
}

function isOfVocabulary(name: string): boolean {
  return name === "token_embd.weight" || name === "output.weight";
}

function double({ name, shape, type, offset, bytes }: GgufTensor, file: Buffer): Buffer {
  const data = new Uint8Array(file.subarray(offset, offset + (bytes ?? 0)));
  if (type === "F32") return Buffer.concat([data, data]);
  const rowLength = shape[0]!;
  const weights = new Float16Array(data.buffer);
  const scale = name === "token_embd.weight" ? 1 : 0.5;
  const rows: Buffer[] = [];
  for (let at = 0; at < weights.length; at += rowLength) {
    const row = new Uint8Array(weights.slice(at, at + rowLength).map((weight) => weight * scale).buffer);
    rows.push(Buffer.concat([row, row]));
  }
  return Buffer.concat(isOfVocabulary(name) ? rows : [...rows, ...rows]);
}

function lengthAndText(text: string): Buffer {
  const bytes = Buffer.alloc(8 + text.length);
  bytes.writeBigUInt64LE(BigInt(text.length));
  bytes.write(text, 8);
  return bytes;
}

function pad(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, Buffer.alloc((alignment - (bytes.length % alignment)) % alignment)]);
}
