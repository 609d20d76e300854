// Weights out of safetensors files in pieces, so that memory does not grow with the tensor.

import { open, type FileHandle } from "node:fs/promises";
import { unreadable } from "../convert/files.ts";
import type { StoredTensor } from "./directory.ts";

export interface TensorReader extends AsyncDisposable {
  /** Fills `into` with the tensor's bytes from `offset` on. Fails with `weights_unreadable` where the file ends. */
  read(tensor: StoredTensor, offset: number, into: Uint8Array): Promise<void>;
}

/** Keeps one file open at a time: tensors come file by file. */
export function createTensorReader(): TensorReader {
  let current: { path: string; file: FileHandle } | null = null;

  const fileOf = async (path: string): Promise<FileHandle> => {
    if (current?.path === path) return current.file;
    await current?.file.close();
    current = null;
    const file = await open(path, "r").catch((cause: unknown) => {
      throw unreadable(path, "it cannot be opened any more", cause);
    });
    current = { path, file };
    return file;
  };

  return {
    async read(tensor, offset, into) {
      const file = await fileOf(tensor.path);
      let done = 0;
      while (done < into.byteLength) {
        const { bytesRead } = await file
          .read(into, done, into.byteLength - done, tensor.offset + offset + done)
          .catch((cause: unknown) => {
            throw unreadable(tensor.path, "it cannot be read", cause);
          });
        if (bytesRead === 0) throw unreadable(tensor.path, "it became shorter while it was read");
        done += bytesRead;
      }
    },
    async [Symbol.asyncDispose]() {
      await current?.file.close();
      current = null;
    },
  };
}
