// Rewriting a GGUF's matrices in another type. So far one direction: half precision to float32.

import { ServingError } from "@corral/contract";

import { callAsync, type LlamaAbi } from "./abi.ts";
import { expectedQuantizeParams } from "./release.ts";

/** `LLAMA_FTYPE_ALL_F32`. */
const allFloat32 = 0;
/** `general.file_type` of files whose matrices are f16 or bf16. */
const halfPrecisionFileTypes = new Set(["1", "32"]);

/** True where float32 holds the very same weights, only wider. */
export function isHalfPrecision(metadata: ReadonlyMap<string, string>): boolean {
  return halfPrecisionFileTypes.has(metadata.get("general.file_type") ?? "");
}

/**
 * Writes the model of `source` with float32 matrices to `target`, on a thread of libuv's pool.
 * Fails with `weights_unreadable`; what was written of `target` is then the caller's to remove.
 */
export async function expandToFloat32(abi: LlamaAbi, source: string, target: string): Promise<void> {
  const params = { ...expectedQuantizeParams, ftype: allFloat32, nthread: 1 };
  const result = await callAsync(abi.llama_model_quantize, source, target, params);
  if (result === 0) return;
  throw new ServingError(
    "weights_unreadable",
    `llama.cpp could not write the weights as float32 (code ${result}); is there room in the temporary directory?`,
  );
}
