// One value of a GGUF header's metadata, by the number of its type. Trusts no length.
// Source: ggml/docs/gguf.md, gguf_metadata_value_type.

import { UnreadableBytes, type Cursor } from "./cursor.ts";

export type GgufScalar = number | bigint | boolean | string;
/** Long arrays (a vocabulary) are counted, not kept. */
export type GgufValue =
  | GgufScalar
  | { readonly length: number; readonly items: readonly GgufScalar[] | null };

const keptItems = 256;
const keptTextBytes = 4 << 20;

export async function readText(cursor: Cursor, what: string, limit = keptTextBytes): Promise<string> {
  const length = await cursor.count(`the length of ${what}`, Math.min(limit, cursor.remaining));
  return Buffer.from(await cursor.bytes(length)).toString("utf8");
}

const scalarBytes: Readonly<Record<number, number>> = {
  0: 1,
  1: 1,
  2: 2,
  3: 2,
  4: 4,
  5: 4,
  6: 4,
  7: 1,
  10: 8,
  11: 8,
  12: 8,
};
const stringType = 8;
const arrayType = 9;

/** @param keepsAll keep the items of a long array, too */
export async function readValue(
  cursor: Cursor,
  type: number,
  key: string,
  keepsAll = false,
): Promise<GgufValue> {
  if (type !== arrayType) return await readScalar(cursor, type, key);
  const itemType = await cursor.u32();
  if (itemType === arrayType) throw new UnreadableBytes(`${key} is an array of arrays`);
  const itemBytes = itemType === stringType ? 8 : scalarBytes[itemType];
  if (itemBytes === undefined) throw new UnreadableBytes(`${key} has an unknown type (${itemType})`);
  const length = await cursor.count(`the length of ${key}`, Math.floor(cursor.remaining / itemBytes));
  if (length > keptItems && !keepsAll) {
    if (itemType !== stringType) cursor.skip(length * itemBytes);
    else
      for (let index = 0; index < length; index++)
        cursor.skip(await cursor.count(`a length in ${key}`, cursor.remaining));
    return { length, items: null };
  }
  const items: GgufScalar[] = [];
  for (let index = 0; index < length; index++) items.push(await readScalar(cursor, itemType, key));
  return { length, items };
}

async function readScalar(cursor: Cursor, type: number, key: string): Promise<GgufScalar> {
  switch (type) {
    case 0:
      return await cursor.u8();
    case 1:
      return await cursor.i8();
    case 2:
      return await cursor.u16();
    case 3:
      return await cursor.i16();
    case 4:
      return await cursor.u32();
    case 5:
      return await cursor.i32();
    case 6:
      return await cursor.f32();
    case 7:
      return (await cursor.u8()) !== 0;
    case stringType:
      return await readText(cursor, key);
    case 10:
      return await cursor.u64();
    case 11:
      return await cursor.i64();
    case 12:
      return await cursor.f64();
    default:
      throw new UnreadableBytes(`${key} has an unknown type (${type})`);
  }
}
