// Writes GGUF version 3: a header from typed metadata and a tensor table, then the weights one tensor at a time, so
// that memory is bounded by the largest piece. Knows no model. Source: ggml/docs/gguf.md.

import { tensorTypes } from "./tensor-types.ts";

const scalarTypes = {
  u8: 0,
  i8: 1,
  u16: 2,
  i16: 3,
  u32: 4,
  i32: 5,
  f32: 6,
  u64: 10,
  i64: 11,
  f64: 12,
} as const;
const scalarBytes = { u8: 1, i8: 1, u16: 2, i16: 2, u32: 4, i32: 4, f32: 4, u64: 8, i64: 8, f64: 8 } as const;
const boolType = 7;
const stringType = 8;
const arrayType = 9;

export type GgufNumberType = keyof typeof scalarTypes;

/** A metadata value with the type it has in the file. */
export type WritableValue =
  | { readonly type: "string"; readonly value: string }
  | { readonly type: "bool"; readonly value: boolean }
  | { readonly type: GgufNumberType; readonly value: number | bigint }
  | { readonly type: "strings"; readonly items: readonly string[] }
  | { readonly type: "numbers"; readonly of: GgufNumberType; readonly items: readonly number[] };

export interface WritableTensor {
  readonly name: string;
  /** Fastest dimension first, as ggml has it. */
  readonly shape: readonly number[];
  /** A type's name, as "F16". */
  readonly type: string;
}

export interface WritableGguf {
  readonly metadata: Readonly<Record<string, WritableValue>>;
  /** In the order in which their weights are written. */
  readonly tensors: readonly WritableTensor[];
}

/** Takes bytes in order; they may be overwritten once it resolves. `totalBytes` is the size of the whole file. */
export type WriteBytes = (bytes: Uint8Array, totalBytes: number) => Promise<void>;

const alignment = 32;

/**
 * Writes a whole file. `weightsOf` gives the bytes of one tensor in pieces; fails with `RangeError` where they are not
 * as many as its shape and type say.
 */
export async function writeGguf(
  gguf: WritableGguf,
  weightsOf: (tensor: WritableTensor) => Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  write: WriteBytes,
): Promise<void> {
  const placed = gguf.tensors.map((tensor) => ({ ...tensor, ...sizeOf(tensor) }));
  const header = encodeHeader(gguf.metadata, placed);
  const weightsBytes = placed.reduce((sum, { bytes }) => sum + bytes + padding(bytes), 0);
  const totalBytes = header.byteLength + weightsBytes;
  await write(header, totalBytes);
  for (const tensor of placed) {
    let writtenBytes = 0;
    for await (const piece of weightsOf(tensor)) {
      writtenBytes += piece.byteLength;
      await write(piece, totalBytes);
    }
    if (writtenBytes !== tensor.bytes) {
      throw new RangeError(`${tensor.name} takes ${tensor.bytes} bytes, given ${writtenBytes}.`);
    }
    await write(new Uint8Array(padding(writtenBytes)), totalBytes);
  }
}

function sizeOf({ name, shape, type }: WritableTensor): { typeNumber: number; bytes: number } {
  for (const [typeNumber, { name: typeName, blockLength, blockBytes }] of tensorTypes) {
    if (typeName !== type) continue;
    const rowLength = shape[0] ?? 1;
    if (rowLength % blockLength !== 0) {
      throw new RangeError(`${name} has rows of ${rowLength}, not whole blocks of ${type}.`);
    }
    const elementCount = shape.reduce((product, length) => product * length, 1);
    return { typeNumber, bytes: (elementCount / blockLength) * blockBytes };
  }
  throw new RangeError(`${name} is of the type ${type}, which is not known.`);
}

export interface PlacedTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly typeNumber: number;
  readonly bytes: number;
}

/** The bytes before the weights, padded; checks nothing, so that tests can write what is wrong. */
export function encodeHeader(
  metadata: Readonly<Record<string, WritableValue>>,
  tensors: readonly PlacedTensor[],
  version = 3,
): Uint8Array<ArrayBuffer> {
  const bytes = createGrowingBytes();
  bytes.raw(Buffer.from("GGUF"));
  bytes.number("u32", version);
  bytes.number("u64", tensors.length);
  bytes.number("u64", Object.keys(metadata).length);
  for (const [key, value] of Object.entries(metadata)) {
    bytes.text(key);
    encodeValue(bytes, value);
  }
  let offset = 0;
  for (const tensor of tensors) {
    bytes.text(tensor.name);
    bytes.number("u32", tensor.shape.length);
    for (const length of tensor.shape) bytes.number("u64", length);
    bytes.number("u32", tensor.typeNumber);
    bytes.number("u64", offset);
    offset += tensor.bytes + padding(tensor.bytes);
  }
  bytes.raw(new Uint8Array(padding(bytes.length)));
  return bytes.take();
}

function encodeValue(bytes: GrowingBytes, value: WritableValue): void {
  switch (value.type) {
    case "string":
      bytes.number("u32", stringType);
      return bytes.text(value.value);
    case "bool":
      bytes.number("u32", boolType);
      return bytes.number("u8", value.value ? 1 : 0);
    case "strings":
      bytes.number("u32", arrayType);
      bytes.number("u32", stringType);
      bytes.number("u64", value.items.length);
      for (const item of value.items) bytes.text(item);
      return;
    case "numbers":
      bytes.number("u32", arrayType);
      bytes.number("u32", scalarTypes[value.of]);
      bytes.number("u64", value.items.length);
      for (const item of value.items) bytes.number(value.of, item);
      return;
    default:
      bytes.number("u32", scalarTypes[value.type]);
      return bytes.number(value.type, value.value);
  }
}

/** Bytes from `length` to the next multiple of the alignment. */
function padding(length: number): number {
  return (alignment - (length % alignment)) % alignment;
}

interface GrowingBytes {
  readonly length: number;
  raw(bytes: Uint8Array): void;
  text(value: string): void;
  number(type: GgufNumberType, value: number | bigint): void;
  take(): Uint8Array<ArrayBuffer>;
}

/** Little-endian; a vocabulary of 128,256 entries must not cost a buffer for each. */
function createGrowingBytes(): GrowingBytes {
  let view = new DataView(new ArrayBuffer(1 << 16));
  let length = 0;

  const reserve = (count: number): number => {
    const at = length;
    length += count;
    if (length > view.byteLength) {
      const grown = new Uint8Array(Math.max(length, view.byteLength * 2));
      grown.set(new Uint8Array(view.buffer, 0, at));
      view = new DataView(grown.buffer);
    }
    return at;
  };
  const number = (type: GgufNumberType, value: number | bigint): void => {
    const at = reserve(scalarBytes[type]);
    switch (type) {
      case "u8":
        return view.setUint8(at, Number(value));
      case "i8":
        return view.setInt8(at, Number(value));
      case "u16":
        return view.setUint16(at, Number(value), true);
      case "i16":
        return view.setInt16(at, Number(value), true);
      case "u32":
        return view.setUint32(at, Number(value), true);
      case "i32":
        return view.setInt32(at, Number(value), true);
      case "f32":
        return view.setFloat32(at, Number(value), true);
      case "u64":
        return view.setBigUint64(at, BigInt(value), true);
      case "i64":
        return view.setBigInt64(at, BigInt(value), true);
      case "f64":
        return view.setFloat64(at, Number(value), true);
    }
  };
  const raw = (bytes: Uint8Array): void => {
    const at = reserve(bytes.byteLength);
    new Uint8Array(view.buffer).set(bytes, at);
  };
  return {
    get length() {
      return length;
    },
    raw,
    number,
    text(value) {
      const bytes = Buffer.from(value);
      number("u64", bytes.byteLength);
      raw(bytes);
    },
    take: () => new Uint8Array(view.buffer, 0, length),
  };
}
