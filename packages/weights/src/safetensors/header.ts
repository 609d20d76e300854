// The header of one safetensors file: which tensors stand where. Reads no weight and trusts no number of it.
// Source: huggingface/safetensors, README.md, "Format": no holes, no overlaps, the tensors are the rest of the file.

import { UnreadableBytes, type ByteSource } from "../gguf/cursor.ts";
import { dtypeBytes } from "./dtypes.ts";

export interface SafetensorsTensor {
  readonly name: string;
  /** "BF16": a key of `dtypeBytes`. */
  readonly dtype: string;
  /** Slowest dimension first, as PyTorch has it. */
  readonly shape: readonly number[];
  /** Bytes from the beginning of the file. */
  readonly offset: number;
  readonly bytes: number;
}

/** The format's own limit of a header. */
export const maxHeaderBytes = 100_000_000;
const maxDimensions = 8;
const metadataKey = "__metadata__";

/** In the order of their places in the file. Fails with `UnreadableBytes`, whatever the bytes are. */
export async function readSafetensorsHeader(source: ByteSource): Promise<SafetensorsTensor[]> {
  const headerBytes = await readHeaderLength(source);
  const text = await source.read(8, headerBytes);
  if (text.byteLength < headerBytes) throw new UnreadableBytes("the file ends inside its header");
  const entries = parseHeader(text);
  const dataOffset = 8 + headerBytes;
  const tensors = entries
    .filter(([name]) => name !== metadataKey)
    .map(([name, entry]) => readEntry(name, entry, dataOffset))
    .toSorted((a, b) => a.offset - b.offset || a.bytes - b.bytes);
  checkPlaces(tensors, dataOffset, source.size);
  return tensors;
}

async function readHeaderLength(source: ByteSource): Promise<number> {
  if (source.size === 0) throw new UnreadableBytes("the file is empty");
  const start = await source.read(0, Math.min(9, source.size));
  const known = otherFormat(start);
  if (known !== null) throw new UnreadableBytes(known);
  if (start.byteLength < 9) throw new UnreadableBytes("the file ends inside its header");
  const length = new DataView(start.buffer, start.byteOffset, 8).getBigUint64(0, true);
  if (length > BigInt(maxHeaderBytes)) {
    throw new UnreadableBytes(`its header claims ${length} bytes, more than the ${maxHeaderBytes} allowed`);
  }
  if (length > BigInt(source.size - 8)) {
    throw new UnreadableBytes(
      `its header claims ${length} bytes and the file has ${source.size}: the download stopped early`,
    );
  }
  if (start[8] !== 0x7b)
    throw new UnreadableBytes(`its header does not begin with "{": it is no safetensors file`);
  return Number(length);
}

function otherFormat(start: Uint8Array): string | null {
  const text = Buffer.from(start).toString("latin1");
  if (text.startsWith("GGUF")) return "it is a GGUF file, not safetensors; it needs no conversion";
  if (text.startsWith("PK"))
    return "it is a zip or PyTorch file, not safetensors; save the model as safetensors";
  if (text.startsWith("version "))
    return "it is a Git LFS pointer, not the weights; fetch them with git lfs pull";
  if (/^\s*<(!doc|html)/i.test(text)) return "it is a web page, not safetensors: the download went wrong";
  return null;
}

function parseHeader(bytes: Uint8Array): [name: string, entry: unknown][] {
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new UnreadableBytes("its header is not JSON: the file is damaged", { cause });
  }
  if (!isObject(header)) throw new UnreadableBytes("its header is not a JSON object");
  return Object.entries(header);
}

function readEntry(name: string, entry: unknown, dataOffset: number): SafetensorsTensor {
  const label = JSON.stringify(name.slice(0, 200));
  if (!isObject(entry)) throw new UnreadableBytes(`its header says of ${label} no object`);
  const { dtype, shape, data_offsets: offsets } = entry;
  const elementBytes = typeof dtype === "string" ? dtypeBytes.get(dtype) : undefined;
  if (typeof dtype !== "string" || elementBytes === undefined) {
    throw new UnreadableBytes(`the tensor ${label} has the unknown dtype ${brief(dtype)}`);
  }
  if (!isCounts(shape) || shape.length > maxDimensions) {
    throw new UnreadableBytes(`the tensor ${label} has the impossible shape ${brief(shape)}`);
  }
  if (!isCounts(offsets) || offsets.length !== 2) {
    throw new UnreadableBytes(`the tensor ${label} has the impossible data_offsets ${brief(offsets)}`);
  }
  const [begin = 0, end = 0] = offsets;
  const bytes = shape.reduce((product, length) => product * length, elementBytes);
  if (!Number.isSafeInteger(bytes) || end - begin !== bytes) {
    throw new UnreadableBytes(
      `the tensor ${label} takes ${end - begin} bytes; ${dtype} of the shape [${shape.join(", ")}] takes ${bytes}`,
    );
  }
  return { name, dtype, shape, offset: dataOffset + begin, bytes };
}

/** A name that stands there twice leaves a hole, as JSON keeps one of the two. */
function checkPlaces(tensors: readonly SafetensorsTensor[], dataOffset: number, fileBytes: number): void {
  let end = dataOffset;
  for (const { name, offset, bytes } of tensors) {
    if (offset !== end) {
      const problem =
        offset < end ? "overlaps the tensor before it" : `leaves ${offset - end} bytes before it unused`;
      throw new UnreadableBytes(`the tensor ${JSON.stringify(name.slice(0, 200))} ${problem}`);
    }
    end += bytes;
  }
  if (end > fileBytes) {
    throw new UnreadableBytes(
      `the file has ${fileBytes} bytes and its tensors need ${end}: the download stopped early`,
    );
  }
  if (end < fileBytes) {
    throw new UnreadableBytes(`${fileBytes - end} bytes after the last tensor belong to none`);
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isCounts(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((item) => Number.isSafeInteger(item) && item >= 0);
}

/** A value of a hostile header, short enough for a message. */
function brief(value: unknown): string {
  return (JSON.stringify(value) ?? "none").slice(0, 60);
}
