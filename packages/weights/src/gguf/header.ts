// The header of a GGUF file: metadata and tensor table, read without loading a weight. Trusts no number in it.
// Source: ggml/docs/gguf.md, versions 2 and 3.

import { createCursor, UnreadableBytes, type ByteSource, type Cursor } from "./cursor.ts";
import { fileTypeNames, tensorTypes } from "./tensor-types.ts";
import { readText, readValue, type GgufValue } from "./value.ts";

export interface GgufTensor {
  readonly name: string;
  /** Fastest dimension first, as ggml has it. */
  readonly shape: readonly number[];
  /** "Q4_K", or "type 77" for one this table does not know. */
  readonly type: string;
  /** Bytes from the beginning of the file. */
  readonly offset: number;
  /** Null for an unknown type. */
  readonly bytes: number | null;
}

export interface GgufHeader {
  readonly version: number;
  readonly architecture: string;
  readonly name: string | null;
  /** Tokens the model was trained for. */
  readonly contextLength: number | null;
  readonly embeddingLength: number | null;
  readonly blockCount: number | null;
  readonly vocabularySize: number | null;
  /** "Q4_K_M", null where the file does not say. */
  readonly fileType: string | null;
  readonly chatTemplate: string | null;
  readonly parameterCount: number;
  readonly metadata: ReadonlyMap<string, GgufValue>;
  /** The number of each value's type in the file. */
  readonly metadataTypes: ReadonlyMap<string, number>;
  readonly tensors: readonly GgufTensor[];
  /** Bytes from the beginning of the file to the weights. */
  readonly dataOffset: number;
}

const maxKeyBytes = 65_535;
const maxDimensions = 4;

/**
 * Fails with `UnreadableBytes`, whatever the bytes are.
 * @param keptKey the key of a long array whose items are kept
 */
export async function readGgufHeader(source: ByteSource, keptKey?: string): Promise<GgufHeader> {
  const cursor = createCursor(source);
  const version = await readVersion(cursor);
  // A tensor's entry takes at least 24 bytes, a metadata entry 13.
  const tensorCount = await cursor.count("the number of tensors", Math.floor(source.size / 24));
  const entryCount = await cursor.count("the number of metadata entries", Math.floor(source.size / 13));

  const metadata = new Map<string, GgufValue>();
  const metadataTypes = new Map<string, number>();
  for (let index = 0; index < entryCount; index++) {
    const key = await readText(cursor, "a metadata key", maxKeyBytes);
    if (metadata.has(key))
      throw new UnreadableBytes(`the metadata key ${JSON.stringify(key)} stands there twice`);
    const type = await cursor.u32();
    metadata.set(key, await readValue(cursor, type, key, key === keptKey));
    metadataTypes.set(key, type);
  }
  const entries = [];
  const names = new Set<string>();
  for (let index = 0; index < tensorCount; index++) {
    const entry = await readTensor(cursor);
    if (names.has(entry.name))
      throw new UnreadableBytes(`the tensor ${JSON.stringify(entry.name)} stands there twice`);
    names.add(entry.name);
    entries.push(entry);
  }

  const alignment = numberOf(metadata, "general.alignment") ?? 32;
  if (alignment < 1 || alignment > 1 << 20 || (alignment & (alignment - 1)) !== 0) {
    throw new UnreadableBytes(`general.alignment is ${alignment}, which is not a power of two`);
  }
  const dataOffset = Math.ceil(cursor.offset / alignment) * alignment;
  const tensors = entries.map((entry) => placeTensor(entry, dataOffset, source.size));
  // An importance matrix is of a model, and is none; what a model is stands in the first of its parts.
  const isMatrix = textOf(metadata, "general.type") === "imatrix";
  const isLaterPart = (numberOf(metadata, "split.no") ?? 0) > 0;
  const architecture = textOf(metadata, "general.architecture") ?? (isMatrix || isLaterPart ? "none" : null);
  if (architecture === null) throw new UnreadableBytes("general.architecture is missing");
  const fileType = numberOf(metadata, "general.file_type");
  return {
    version,
    architecture,
    name: textOf(metadata, "general.name"),
    contextLength: numberOf(metadata, `${architecture}.context_length`),
    embeddingLength: numberOf(metadata, `${architecture}.embedding_length`),
    blockCount: numberOf(metadata, `${architecture}.block_count`),
    vocabularySize:
      lengthOf(metadata, "tokenizer.ggml.tokens") ?? numberOf(metadata, `${architecture}.vocab_size`),
    fileType: fileType === null ? null : (fileTypeNames.get(fileType) ?? `type ${fileType}`),
    chatTemplate: textOf(metadata, "tokenizer.chat_template"),
    parameterCount: entries.reduce((sum, entry) => sum + entry.elementCount, 0),
    metadata,
    metadataTypes,
    tensors,
    dataOffset,
  };
}

async function readVersion(cursor: Cursor): Promise<number> {
  if (cursor.remaining === 0) throw new UnreadableBytes("the file is empty");
  const start = await cursor.bytes(Math.min(8, cursor.remaining));
  const text = Buffer.from(start).toString("latin1");
  if (!text.startsWith("GGUF")) throw new UnreadableBytes(otherFormat(start, text));
  if (start.length < 8) throw new UnreadableBytes("the file ends inside its header");
  const version = new DataView(start.buffer, start.byteOffset).getUint32(4, true);
  if (version === 2 || version === 3) return version;
  if (version > 0 && version % 0x1000000 === 0) {
    throw new UnreadableBytes("the file is big-endian; convert it on a little-endian machine");
  }
  throw new UnreadableBytes(
    `it is GGUF version ${version}; versions 2 and 3 are read, convert the model again`,
  );
}

function otherFormat(start: Uint8Array, text: string): string {
  if (text.startsWith("PK"))
    return "it is a zip or PyTorch file, not GGUF; convert the model with llama.cpp's convert_hf_to_gguf.py";
  if (start[0] === 0x1f && start[1] === 0x8b) return "it is compressed with gzip; unpack it first";
  if (/^(ggjt|ggml|lmgg|tjgg)/.test(text)) return "it is an old GGML file, not GGUF; convert the model again";
  if (text.startsWith("version "))
    return "it is a Git LFS pointer, not the weights; fetch them with git lfs pull";
  if (start.length === 8 && start[4] === 0 && start[5] === 0 && start[6] === 0 && start[7] === 0) {
    return "it looks like safetensors, not GGUF; convert the model with llama.cpp's convert_hf_to_gguf.py";
  }
  if (/^\s*<(!doc|html)/i.test(text)) return "it is a web page, not GGUF: the download went wrong";
  return `it does not begin with "GGUF"`;
}

interface TensorEntry {
  readonly name: string;
  readonly shape: readonly number[];
  readonly type: number;
  /** Bytes from the beginning of the weights. */
  readonly offset: number;
  readonly elementCount: number;
}

async function readTensor(cursor: Cursor): Promise<TensorEntry> {
  const name = await readText(cursor, "a tensor's name", maxKeyBytes);
  const dimensions = await cursor.u32();
  if (dimensions > maxDimensions)
    throw new UnreadableBytes(`the tensor ${JSON.stringify(name)} has ${dimensions} dimensions`);
  const shape: number[] = [];
  let elementCount = 1;
  for (let index = 0; index < dimensions; index++) {
    const length = await cursor.count(`a dimension of ${name}`, Number.MAX_SAFE_INTEGER);
    shape.push(length);
    elementCount *= length;
  }
  if (!Number.isSafeInteger(elementCount))
    throw new UnreadableBytes(`the tensor ${JSON.stringify(name)} is impossibly large`);
  const type = await cursor.u32();
  const offset = await cursor.count(`the offset of ${name}`, Number.MAX_SAFE_INTEGER);
  return { name, shape, type, offset, elementCount };
}

/** Fails where the file ends before the tensor does: the usual sign of a download that stopped. */
function placeTensor(entry: TensorEntry, dataOffset: number, fileBytes: number): GgufTensor {
  const type = tensorTypes.get(entry.type);
  const rowLength = entry.shape[0] ?? 1;
  if (type !== undefined && rowLength % type.blockLength !== 0) {
    throw new UnreadableBytes(
      `the tensor ${JSON.stringify(entry.name)} has rows of ${rowLength}, not whole blocks of ${type.name}`,
    );
  }
  const bytes = type === undefined ? null : (entry.elementCount / type.blockLength) * type.blockBytes;
  const offset = dataOffset + entry.offset;
  const end = offset + (bytes ?? 0);
  if (end > fileBytes) {
    throw new UnreadableBytes(
      `the file ends at byte ${fileBytes}, but the tensor ${JSON.stringify(entry.name)} reaches to ${end}: it was cut off, fetch it again`,
    );
  }
  return { name: entry.name, shape: entry.shape, type: type?.name ?? `type ${entry.type}`, offset, bytes };
}

function textOf(metadata: ReadonlyMap<string, GgufValue>, key: string): string | null {
  const value = metadata.get(key);
  return typeof value === "string" ? value : null;
}

function numberOf(metadata: ReadonlyMap<string, GgufValue>, key: string): number | null {
  const value = metadata.get(key);
  const number = typeof value === "bigint" ? Number(value) : value;
  return typeof number === "number" && Number.isSafeInteger(number) ? number : null;
}

function lengthOf(metadata: ReadonlyMap<string, GgufValue>, key: string): number | null {
  const value = metadata.get(key);
  return typeof value === "object" ? value.length : null;
}
