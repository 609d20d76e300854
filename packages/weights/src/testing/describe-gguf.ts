// A GGUF file as the hashes of its parts, so that a difference has a name. Reads what the converter of the oracle reads,
// without the package's own readers. Not part of the package's public face.

import { createHash } from "node:crypto";

export interface GgufDescription {
  readonly bytes: number;
  readonly sha256: string;
  /** Key and hash of the value with its type, in order. */
  readonly metadata: readonly (readonly [key: string, digest: string])[];
  /** Name, number of the type, shape and hash of the weights, in order. */
  readonly tensors: readonly (readonly [
    name: string,
    type: number,
    shape: readonly number[],
    digest: string,
  ])[];
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
const elementBytes: Readonly<Record<number, number>> = { 0: 4, 1: 2, 30: 2 };

export function describeGguf(bytes: Buffer): GgufDescription {
  let at = 8;
  const count = (): number => {
    at += 8;
    return Number(bytes.readBigUInt64LE(at - 8));
  };
  const number = (): number => {
    at += 4;
    return bytes.readUInt32LE(at - 4);
  };
  const name = (): string => {
    const length = count();
    at += length;
    return bytes.toString("utf8", at - length, at);
  };
  const skip = (type: number): void => {
    if (type === 8) name();
    else if (type === 9) {
      const item = number();
      for (let left = count(); left > 0; left -= 1) skip(item);
    } else at += scalarBytes[type] ?? Number.NaN;
  };
  const tensorCount = count();
  const entryCount = count();
  const metadata = Array.from({ length: entryCount }, () => {
    const key = name();
    const start = at;
    skip(number());
    return [key, digest(bytes.subarray(start, at))] as const;
  });
  const infos = Array.from({ length: tensorCount }, () => {
    const tensor = name();
    const shape = Array.from({ length: number() }, count);
    return { tensor, shape, type: number(), offset: count() };
  });
  const start = Math.ceil(at / 32) * 32;
  const tensors = infos.map(({ tensor, shape, type, offset }) => {
    const size = shape.reduce((product, length) => product * length, elementBytes[type] ?? Number.NaN);
    return [tensor, type, shape, digest(bytes.subarray(start + offset, start + offset + size))] as const;
  });
  return {
    bytes: bytes.byteLength,
    sha256: createHash("sha256").update(bytes).digest("hex"),
    metadata,
    tensors,
  };
}

function digest(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex").slice(0, 16);
}
