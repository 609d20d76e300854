// A GGUF file on disk: can it be served as it is? Reads the header only.

import { open } from "node:fs/promises";
import { ServingError } from "@corral/contract";
import { UnreadableBytes, type ByteSource } from "./cursor.ts";
import { readGgufHeader, type GgufHeader } from "./header.ts";

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

/** Why a well-formed file is still not a whole text model. */
function unservable(header: GgufHeader): string | null {
  const type = header.metadata.get("general.type");
  if (typeof type === "string" && type !== "model") return `it is of type "${type}", not a model`;
  const parts = header.metadata.get("split.count");
  if (typeof parts === "number" && parts > 1) {
    return `it is one of ${parts} parts; join them with llama-gguf-split --merge`;
  }
  if (header.tensors.length === 0) return "it holds no tensors (a vocabulary only)";
  if (header.vocabularySize === null) return "it has no tokenizer";
  return null;
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
