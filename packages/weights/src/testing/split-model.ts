// A GGUF in several parts, as llama.cpp's gguf-split writes it: metadata in the first only, in each its number, how many
// there are, and the number of all tensors.

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { readGgufFile } from "../gguf/check.ts";
import type { GgufTensor } from "../gguf/header.ts";
import { encodeHeader } from "../gguf/writer.ts";
import { tensorTypes } from "../gguf/tensor-types.ts";

/** In bytes: `GGUF` and the version, then the counts of tensors and of metadata entries. */
const countsAt = 8;
const countsEnd = 24;
const alignment = 32;

/** Gives the paths of the parts, the first one first. */
export async function writeSplitModel(
  source: string,
  directory: string,
  stem: string,
  partCount: number,
): Promise<readonly string[]> {
  const { tensors } = await readGgufFile(source);
  const bytes = readFileSync(source);
  const name = Buffer.from(tensors[0]?.name ?? "");
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(name.length));
  const metadata = bytes.subarray(countsEnd, bytes.indexOf(Buffer.concat([length, name]), countsEnd));
  const metadataCount = bytes.readBigUInt64LE(countsAt + 8);
  const perPart = Math.ceil(tensors.length / partCount);
  const digits = (number: number) => String(number).padStart(5, "0");
  return Array.from({ length: partCount }, (_, index) => {
    const own = tensors.slice(index * perPart, (index + 1) * perPart);
    const path = join(directory, `${stem}-${digits(index + 1)}-of-${digits(partCount)}.gguf`);
    const header = Buffer.from(
      encodeHeader(
        {
          "split.no": { type: "u16", value: index },
          "split.count": { type: "u16", value: partCount },
          "split.tensors.count": { type: "i32", value: tensors.length },
        },
        own.map(({ shape, type, bytes: size, ...tensor }) => ({
          name: tensor.name,
          shape,
          typeNumber: numberOf(type),
          bytes: size ?? 0,
        })),
      ),
    );
    const weights = own.map(({ offset, bytes: size }) =>
      padded(bytes.subarray(offset, offset + (size ?? 0))),
    );
    const whole = index === 0 ? withMetadata(header, metadata, metadataCount, own) : header;
    writeFileSync(path, Buffer.concat([whole, ...weights]));
    return path;
  });
}

/** The entries of another header before its own ones. */
function withMetadata(
  header: Buffer,
  metadata: Buffer,
  count: bigint,
  tensors: readonly GgufTensor[],
): Buffer {
  const start = Buffer.from(header.subarray(0, countsEnd));
  start.writeBigUInt64LE(start.readBigUInt64LE(countsAt + 8) + count, countsAt + 8);
  // The last entry ends with its tensor's offset; what follows is padding.
  const last = tensors.at(-1)?.name ?? "";
  const shapeLength = tensors.at(-1)?.shape.length ?? 0;
  const end = header.lastIndexOf(last) + last.length + 4 + shapeLength * 8 + 4 + 8;
  return padded(Buffer.concat([start, metadata, header.subarray(countsEnd, end)]));
}

function numberOf(type: string): number {
  for (const [number, { name }] of tensorTypes) if (name === type) return number;
  throw new Error(`${type} is not known`);
}

function padded(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, Buffer.alloc((alignment - (bytes.length % alignment)) % alignment)]);
}
