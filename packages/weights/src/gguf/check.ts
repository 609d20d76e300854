// A GGUF file on disk: can it be served as it is? Reads the header only.

import { open } from "node:fs/promises";
import { isServingError, ServingError } from "@corral/contract";
import { UnreadableBytes, type ByteSource } from "./cursor.ts";
import { readGgufHeader, type GgufHeader } from "./header.ts";
import { isFirstPart, partOf, partPaths } from "./split.ts";

export interface CheckedGguf extends GgufHeader {
  readonly path: string;
  readonly fileBytes: number;
}

/**
 * Fails with `weights_missing` or with `weights_unreadable` and the reason.
 * @param keptKey the key of a long array whose items are kept
 */
export async function checkGguf(path: string, keptKey?: string): Promise<CheckedGguf> {
  return await withGguf(
    path,
    (header, source) => {
      const problem = unservable(header);
      if (problem !== null) throw unreadable(path, problem);
      return Promise.resolve({ ...header, path, fileBytes: source.size });
    },
    keptKey,
  );
}

/** Of a model in one file, or in several that are read as one. */
export interface CheckedParts extends CheckedGguf {
  /** 1 for a model in one file. */
  readonly partCount: number;
}

/**
 * A model in one file, or, where `path` is the first of several parts, in all of them: tensors (each with the offset in
 * its own file), parameters and bytes of all. Fails as `checkGguf` does, naming the part.
 */
export async function checkGgufParts(path: string): Promise<CheckedParts> {
  const first = await readGgufFile(path);
  const partCount = countOf(first, "split.count") ?? 1;
  if (partCount < 2) return { ...(await checkGguf(path)), partCount: 1 };
  if (!isFirstPart(path)) {
    const name = "-00001-of-" + String(partCount).padStart(5, "0");
    throw unreadable(
      path,
      `it is a part of ${partCount}; give the first one, whose name ends with ${name}.gguf`,
    );
  }
  // The header may say anything; a name has room for 99,999.
  const namedCount = partOf(path)?.count;
  if (namedCount !== partCount) {
    throw unreadable(
      path,
      `by its name it is one of ${String(namedCount)} parts, by its header one of ${partCount}`,
    );
  }
  const paths = partPaths(path, partCount);
  const parts = [first];
  for (const other of paths.slice(1)) {
    parts.push(
      await readGgufFile(other).catch((error: unknown) => {
        throw isServingError(error) && error.code === "weights_missing"
          ? missingPart(other, partCount, error)
          : error;
      }),
    );
  }
  for (const [index, part] of parts.entries()) {
    const [number, count] = [countOf(part, "split.no"), countOf(part, "split.count")];
    if (number === index && count === partCount) continue;
    const said = `${String(number === null ? null : number + 1)} of ${String(count)}`;
    throw unreadable(part.path, `by its header it is part ${said}, by its name ${index + 1} of ${partCount}`);
  }
  const tensors = parts.flatMap((part) => part.tensors);
  const expectedCount = countOf(first, "split.tensors.count");
  if (expectedCount !== null && expectedCount !== tensors.length) {
    throw unreadable(path, `its parts have ${tensors.length} tensors of ${expectedCount}; fetch them again`);
  }
  if (new Set(tensors.map(({ name }) => name)).size < tensors.length) {
    throw unreadable(path, "a tensor is in two of its parts");
  }
  const problem = unservable({ ...first, tensors }, partCount);
  if (problem !== null) throw unreadable(path, problem);
  return {
    ...first,
    tensors,
    partCount,
    parameterCount: parts.reduce((sum, part) => sum + part.parameterCount, 0),
    fileBytes: parts.reduce((sum, part) => sum + part.fileBytes, 0),
  };
}

/** The header of a well-formed file, whatever it is for. Fails as `checkGguf` does. */
export async function readGgufFile(path: string): Promise<CheckedGguf> {
  return await withGguf(path, (header, source) =>
    Promise.resolve({ ...header, path, fileBytes: source.size }),
  );
}

/** The header of any GGUF file and its bytes, which can be read until `use` is done. Fails as `checkGguf` does. */
export async function withGguf<Result>(
  path: string,
  use: (header: GgufHeader, source: ByteSource) => Promise<Result>,
  keptKey?: string,
): Promise<Result> {
  const file = await open(path, "r").catch((cause: unknown) => {
    throw unopened(path, cause);
  });
  try {
    const info = await file.stat();
    if (!info.isFile()) throw unreadable(path, "it is not a regular file");
    const source: ByteSource = {
      size: info.size,
      async read(offset, length) {
        const { buffer, bytesRead } = await file.read(Buffer.allocUnsafe(length), 0, length, offset);
        return buffer.subarray(0, bytesRead);
      },
    };
    return await use(await readGgufHeader(source, keptKey), source);
  } catch (error) {
    throw error instanceof UnreadableBytes ? unreadable(path, error.message, error) : error;
  } finally {
    await file.close();
  }
}

function countOf({ metadata }: GgufHeader, key: string): number | null {
  const value = metadata.get(key);
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? value : null;
}

/** Why a well-formed file, or `partCount` of them together, is still not a whole text model. */
function unservable(header: GgufHeader, partCount = 1): string | null {
  const type = header.metadata.get("general.type");
  if (typeof type === "string" && type !== "model") return `it is of type "${type}", not a model`;
  const parts = countOf(header, "split.count") ?? 1;
  if (parts > partCount) {
    return `it is one of ${parts} parts; \`corral deploy\` joins them when it is given the first one`;
  }
  if (header.tensors.length === 0) return "it holds no tensors (a vocabulary only)";
  if (header.vocabularySize === null) return "it has no tokenizer";
  return null;
}

export function missingPart(path: string, partCount: number, cause: unknown): ServingError {
  return new ServingError(
    "weights_missing",
    `There is no file ${path}; fetch all ${partCount} parts into one directory.`,
    { cause },
  );
}

export function unreadable(path: string, reason: string, cause?: unknown): ServingError {
  return new ServingError("weights_unreadable", `${path} cannot be loaded: ${reason}.`, { cause });
}

function unopened(path: string, cause: unknown): ServingError {
  const code = cause instanceof Error && "code" in cause ? cause.code : null;
  if (code === "ENOENT" || code === "ENOTDIR") {
    return new ServingError("weights_missing", `There is no file ${path}.`, { cause });
  }
  const reason =
    code === "EACCES" || code === "EPERM" ? "it may not be read" : `it cannot be opened (${String(code)})`;
  return unreadable(path, reason, cause);
}
