// The safetensors files of one directory as one table of tensors: a single file, or shards with their index. Checks
// every header; reads no weight. The order is that of llama.cpp's converter: by file, then by name.

import { open, readdir, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { errorCode, isObject, readJson, unreadable, unsupported } from "../convert/files.ts";
import { UnreadableBytes, type ByteSource } from "../gguf/cursor.ts";
import { readSafetensorsHeader, type SafetensorsTensor } from "./header.ts";

export interface StoredTensor extends SafetensorsTensor {
  readonly path: string;
}

/** Fails with `weights_unreadable` or `weights_unsupported`, naming the file. */
export async function readSafetensorsDirectory(
  directory: string,
): Promise<ReadonlyMap<string, StoredTensor>> {
  const index = await readIndex(directory);
  const files = index === null ? await findParts(directory) : [...new Set(index.values())].toSorted(compare);
  const tensors = new Map<string, StoredTensor>();
  for (const file of files) {
    const path = join(directory, file);
    const found = await readSafetensorsFile(path);
    for (const tensor of found.toSorted((a, b) => compare(a.name, b.name))) {
      const earlier = tensors.get(tensor.name);
      if (earlier !== undefined)
        throw unreadable(path, `the tensor ${JSON.stringify(tensor.name)} stands in ${earlier.path}, too`);
      tensors.set(tensor.name, tensor);
    }
  }
  if (index !== null) checkIndex(directory, index, tensors);
  return tensors;
}

/** The tensors of one file, in the order of their places. */
export async function readSafetensorsFile(path: string): Promise<StoredTensor[]> {
  const file = await open(path, "r").catch((cause: unknown) => {
    throw unreadable(path, "it is missing or cannot be opened; fetch it", cause);
  });
  try {
    const info = await file.stat();
    if (!info.isFile()) throw unreadable(path, "it is not a regular file");
    const tensors = await readSafetensorsHeader(sourceOf(file, info.size));
    return tensors.map((tensor) => ({ ...tensor, path }));
  } catch (error) {
    throw error instanceof UnreadableBytes
      ? unreadable(path, `${error.message}; fetch the file again`, error)
      : error;
  } finally {
    await file.close();
  }
}

function sourceOf(file: FileHandle, size: number): ByteSource {
  return {
    size,
    async read(offset, length) {
      const { buffer, bytesRead } = await file.read(Buffer.allocUnsafe(length), 0, length, offset);
      return buffer.subarray(0, bytesRead);
    },
  };
}

const indexName = "model.safetensors.index.json";

/** Tensor → file; null without an index. */
async function readIndex(directory: string): Promise<ReadonlyMap<string, string> | null> {
  const index = await readJson(directory, indexName);
  if (index === null) return null;
  const path = join(directory, indexName);
  const { weight_map: weightMap } = index;
  if (!isObject(weightMap)) throw unreadable(path, "it has no weight_map: fetch it again");
  const entries = Object.entries(weightMap);
  if (entries.length === 0) throw unreadable(path, "its weight_map is empty: fetch it again");
  return new Map(
    entries.map(([name, file]) => {
      // A path of an index that came from elsewhere must not lead out of the directory.
      if (typeof file !== "string" || !/^[\w.-]+\.safetensors$/.test(file))
        throw unreadable(
          path,
          `weight_map gives ${JSON.stringify(name)} no safetensors file of this directory`,
        );
      return [name, file];
    }),
  );
}

async function findParts(directory: string): Promise<string[]> {
  const names = await readdir(directory).catch((error: unknown) => {
    throw unreadable(directory, `it cannot be read (${errorCode(error)})`, error);
  });
  const parts = names
    .filter((name) => name.startsWith("model") && name.endsWith(".safetensors"))
    .toSorted(compare);
  if (parts.length > 0) {
    checkCount(directory, parts);
    return parts;
  }
  const pickle = names.find((name) => /\.(bin|pt|pth|ckpt)$/.test(name));
  if (pickle !== undefined) {
    throw unsupported(
      join(directory, pickle),
      "it is a pickled PyTorch file, which could run code; save the model with safe_serialization=True",
    );
  }
  throw unreadable(directory, "it has no model*.safetensors; give the directory that holds the weights");
}

/** Without an index, names tell how many there must be. */
function checkCount(directory: string, parts: readonly string[]): void {
  const numbers = parts.map((part) => /-(\d{5})-of-(\d{5})\.safetensors$/.exec(part));
  const total = Number(numbers[0]?.[2] ?? parts.length);
  for (let number = 1; number <= total && numbers[0]; number += 1) {
    if (numbers.some((match) => Number(match?.[1]) === number)) continue;
    const name = parts[0]?.replace(/-\d{5}-of-/, `-${String(number).padStart(5, "0")}-of-`) ?? "";
    throw unreadable(join(directory, name), "it is missing; fetch it");
  }
}

function checkIndex(
  directory: string,
  index: ReadonlyMap<string, string>,
  tensors: ReadonlyMap<string, StoredTensor>,
): void {
  for (const [name, file] of index) {
    const found = tensors.get(name);
    if (found === undefined || found.path !== join(directory, file)) {
      throw unreadable(
        join(directory, file),
        `${indexName} says that it holds the tensor ${JSON.stringify(name)}, and it does not; fetch both again`,
      );
    }
  }
  for (const { name, path } of tensors.values()) {
    if (!index.has(name))
      throw unreadable(path, `its tensor ${JSON.stringify(name)} is not in ${indexName}; fetch both again`);
  }
}

/** As Python orders the names that occur: by code, not by language. */
function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
