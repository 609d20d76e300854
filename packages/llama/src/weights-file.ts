// Why a file of weights cannot be loaded, in words: llama.cpp itself only answers "no".

import { closeSync, openSync, readSync, type Stats, statSync } from "node:fs";
import { basename } from "node:path";

import { ServingError } from "@corral/contract";

import type { LlamaAbi } from "./abi-types.ts";

/** GGUF versions that llama.cpp reads; 1 has been dropped. */
const readableVersions: readonly number[] = [2, 3];

/** Fails with `weights_unreadable` for what can be seen without llama.cpp. Reads eight bytes, synchronously. */
export function refuseUnreadableFile(path: string): void {
  const refuse = (reason: string, cause?: unknown): never => {
    throw new ServingError("weights_unreadable", `${basename(path)}: ${reason}`, { cause });
  };
  let stats: Stats;
  let head: Buffer;
  try {
    stats = statSync(path);
    head = stats.isFile() ? readHead(path, 8) : Buffer.alloc(0);
  } catch (cause) {
    return refuse(describeSystemError(cause), cause);
  }
  if (!stats.isFile()) refuse("it is not a file.");
  if (stats.size === 0) refuse("the file is empty.");
  if (head.toString("latin1", 0, 4) !== "GGUF")
    refuse("it is not a GGUF: the file does not begin with GGUF.");
  if (head.length < 8) refuse("the file is truncated within its header.");
  const version = head.readUInt32LE(4);
  if (!readableVersions.includes(version)) {
    const bigEndian = readableVersions.includes(head.readUInt32BE(4));
    refuse(
      bigEndian
        ? "it is a big-endian GGUF; convert it."
        : `GGUF version ${version} is not supported, only 2 and 3.`,
    );
  }
}

/** The most likely reason why llama.cpp refused a file that begins like a GGUF. */
export function diagnoseWeights(abi: LlamaAbi, path: string): string {
  const gguf = abi.gguf_init_from_file(path, { no_alloc: true, ctx: null });
  if (gguf === null) return "the header is corrupt or truncated.";
  try {
    const tensorCount = Number(abi.gguf_get_n_tensors(gguf));
    if (tensorCount === 0) return "it holds no weights, only a header.";
    const ends = Array.from(
      { length: tensorCount },
      (_, tensor) =>
        Number(abi.gguf_get_tensor_offset(gguf, tensor)) + Number(abi.gguf_get_tensor_size(gguf, tensor)),
    );
    const neededBytes =
      Number(abi.gguf_get_data_offset(gguf)) + ends.reduce((end, other) => Math.max(end, other), 0);
    const sizeBytes = statSync(path).size;
    if (sizeBytes < neededBytes) {
      return `the file is truncated: it has ${sizeBytes} bytes and its tensors need ${neededBytes}.`;
    }
    if (Number(abi.gguf_find_key(gguf, "general.architecture")) < 0)
      return "its header names no architecture.";
    return "llama.cpp refuses it: the architecture is not supported, tensors do not fit it, or memory is short.";
  } finally {
    abi.gguf_free(gguf);
  }
}

function readHead(path: string, length: number): Buffer {
  const file = openSync(path, "r");
  try {
    const head = Buffer.alloc(length);
    return head.subarray(0, readSync(file, head, 0, length, 0));
  } finally {
    closeSync(file);
  }
}

function describeSystemError(error: unknown): string {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  if (code === "ENOENT" || code === "ENOTDIR") return "there is no such file.";
  if (code === "EACCES" || code === "EPERM") return "this process may not read the file.";
  return `the file cannot be read (${String(code)}).`;
}
