// A bounds-checked reading position in a byte source, with a window so that large headers need few reads. Knows no
// format.

/** Bytes that can be read anywhere; `read` gives fewer than asked for only at the end. */
export interface ByteSource {
  readonly size: number;
  read(offset: number, length: number): Promise<Uint8Array>;
}

/** What is wrong with the bytes, as the end of a sentence ("… : REASON."). */
export class UnreadableBytes extends Error {}

const windowBytes = 1 << 18;

/** Little-endian. Every method fails with `UnreadableBytes` where the source ends first. */
export interface Cursor {
  readonly offset: number;
  readonly remaining: number;
  u8(): Promise<number>;
  i8(): Promise<number>;
  u16(): Promise<number>;
  i16(): Promise<number>;
  u32(): Promise<number>;
  i32(): Promise<number>;
  f32(): Promise<number>;
  f64(): Promise<number>;
  i64(): Promise<bigint>;
  u64(): Promise<bigint>;
  /** A u64 that counts or measures; fails above `limit`, naming `what`. */
  count(what: string, limit: number): Promise<number>;
  bytes(length: number): Promise<Uint8Array>;
  skip(length: number): void;
}

export function createCursor(source: ByteSource): Cursor {
  let offset = 0;
  let start = 0;
  let window: DataView = new DataView(new ArrayBuffer(0));

  const take = async (length: number): Promise<number> => {
    if (length > source.size - offset) throw ended();
    if (offset < start || offset + length > start + window.byteLength) {
      const bytes = await source.read(offset, Math.max(length, Math.min(windowBytes, source.size - offset)));
      if (bytes.byteLength < length) throw ended();
      start = offset;
      window = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    }
    const at = offset - start;
    offset += length;
    return at;
  };

  return {
    get offset() {
      return offset;
    },
    get remaining() {
      return source.size - offset;
    },
    u8: async () => {
      const i = await take(1);
      return window.getUint8(i);
    },
    i8: async () => {
      const i = await take(1);
      return window.getInt8(i);
    },
    u16: async () => {
      const i = await take(2);
      return window.getUint16(i, true);
    },
    i16: async () => {
      const i = await take(2);
      return window.getInt16(i, true);
    },
    u32: async () => {
      const i = await take(4);
      return window.getUint32(i, true);
    },
    i32: async () => {
      const i = await take(4);
      return window.getInt32(i, true);
    },
    f32: async () => {
      const i = await take(4);
      return window.getFloat32(i, true);
    },
    f64: async () => {
      const i = await take(8);
      return window.getFloat64(i, true);
    },
    i64: async () => {
      const i = await take(8);
      return window.getBigInt64(i, true);
    },
    u64: async () => {
      const i = await take(8);
      return window.getBigUint64(i, true);
    },
    async count(what, limit) {
      const i = await take(8);
      const value = window.getBigUint64(i, true);
      if (value > BigInt(limit))
        throw new UnreadableBytes(`${what} is ${value}, more than the file can hold`);
      return Number(value);
    },
    async bytes(length) {
      const from = await take(length);
      return new Uint8Array(window.buffer, window.byteOffset + from, length).slice();
    },
    skip(length) {
      if (length > source.size - offset) throw ended();
      offset += length;
    },
  };

  function ended(): UnreadableBytes {
    return new UnreadableBytes(`the file ends inside its header, at byte ${source.size}`);
  }
}
