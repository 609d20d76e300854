// Rewriting a GGUF's matrices in another type, on a thread of libuv's pool. Which of them, llama.cpp decides.

import { ServingError } from "@corral/contract";

import { callAsync, type LlamaAbi } from "./abi.ts";
import { expectedQuantizeParams } from "./release.ts";

/** `LLAMA_FTYPE_*` of the types that are written here. */
const fileTypes = { f32: 0, q4_0: 2 } as const;
/** `general.file_type` of files whose matrices are f16 or bf16. */
const halfPrecisionFileTypes = new Set(["1", "32"]);

export type WrittenFileType = keyof typeof fileTypes;

/** True where float32 holds the very same weights, only wider. */
export function isHalfPrecision(metadata: ReadonlyMap<string, string>): boolean {
  return halfPrecisionFileTypes.has(metadata.get("general.file_type") ?? "");
}

/**
 * Writes the model of `source` to `target`, its matrices in another type; a quantised file keeps llama.cpp's default
 * for the output matrix. Fails with `weights_unreadable`; what was written of `target` is then the caller's to remove.
 */
export async function rewriteMatrices(
  abi: LlamaAbi,
  source: string,
  target: string,
  { fileType, threadCount = 1 }: { readonly fileType: WrittenFileType; readonly threadCount?: number },
): Promise<void> {
  const params = { ...expectedQuantizeParams, ftype: fileTypes[fileType], nthread: threadCount };
  const result = await callAsync(abi.llama_model_quantize, source, target, params);
  if (result === 0) return;
  throw new ServingError(
    "weights_unreadable",
    `llama.cpp could not write the weights as ${fileType} (code ${result}); is there room at the target?`,
  );
}
