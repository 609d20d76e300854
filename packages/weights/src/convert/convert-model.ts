// A Hugging Face directory as one GGUF file, equal to that of llama.cpp's converter byte for byte. Holds a few
// megabytes of weights at a time. Source: llama.cpp v0.5.0, convert_hf_to_gguf.py and conversion/.

import { writeGguf, type WritableGguf } from "../gguf/writer.ts";
import { readSafetensorsDirectory, type StoredTensor } from "../safetensors/directory.ts";
import { createTensorReader } from "../safetensors/read-tensor.ts";
import { writeWhole } from "./atomic-file.ts";
import { readModelConfig } from "./config.ts";
import { checkDirectory } from "./files.ts";
import type { FloatType } from "./float-conversion.ts";
import { generalMetadata } from "./general-metadata.ts";
import { modelMetadata, text, u32 } from "./model-metadata.ts";
import { convertedPieces, planTensors, type PlannedTensor } from "./tensors.ts";
import { tokenizerMetadata } from "./tokenizer-metadata.ts";

/** Of matrices; vectors are always f32. "auto": the 16-bit type that the source has, else f16. */
export type OutputType = "auto" | "f32" | "f16" | "bf16";

export interface ConvertOptions {
  /** Default "auto". */
  readonly outputType?: OutputType;
  /** What the file calls the model; default: what its card or its directory's name tells. */
  readonly modelName?: string;
  /** Told after each piece; `totalBytes` is the size of the finished file. */
  readonly onProgress?: (doneBytes: number, totalBytes: number) => void;
  readonly signal?: AbortSignal;
}

export interface Converted {
  /** Of the finished file. */
  readonly bytes: number;
}

/** `general.file_type`. */
export const fileTypes: Readonly<Record<FloatType, number>> = { F32: 0, F16: 1, BF16: 32 };
export const quantizationVersion = 2;

/**
 * Writes `target`, which appears at once and whole; a failure or an abort leaves nothing. Fails with `weights_missing`,
 * `weights_unreadable`, `weights_unsupported` (naming file, reason and remedy), `storage_full`, or the signal's reason.
 */
export async function convertHuggingFaceDirectory(
  directory: string,
  target: string,
  options: ConvertOptions = {},
): Promise<Converted> {
  await checkDirectory(directory);
  const config = await readModelConfig(directory);
  const stored = await readSafetensorsDirectory(directory);
  const matrixType = outputTypeOf(options.outputType ?? "auto", stored.values());
  const tensors = planTensors(config, stored, matrixType, directory);
  const parameterCount = countParameters(tensors);
  const { modelName } = options;
  const metadata = {
    "general.architecture": text(config.architecture.name),
    "general.type": text("model"),
    ...(await generalMetadata({
      directory,
      parameterCount,
      ...(modelName === undefined ? {} : { modelName }),
    })),
    ...modelMetadata(config, fileTypes[matrixType], directory),
    "general.quantization_version": u32(quantizationVersion),
    ...(await tokenizerMetadata(directory, config)),
  };
  return await writeTensors({ metadata, tensors }, target, options);
}

/** "auto" follows the first matrix of 16 bits. */
export function outputTypeOf(outputType: OutputType, tensors: Iterable<StoredTensor>): FloatType {
  switch (outputType) {
    case "f32":
      return "F32";
    case "f16":
      return "F16";
    case "bf16":
      return "BF16";
    case "auto": {
      for (const { dtype, shape } of tensors)
        if (shape.length >= 2 && (dtype === "BF16" || dtype === "F16")) return dtype;
      return "F16";
    }
  }
}

function countParameters(tensors: readonly PlannedTensor[]): number {
  return tensors.reduce((sum, { shape }) => sum + shape.reduce((product, length) => product * length, 1), 0);
}

interface PlannedGguf extends WritableGguf {
  readonly tensors: readonly PlannedTensor[];
}

export async function writeTensors(
  gguf: PlannedGguf,
  target: string,
  { onProgress, signal }: ConvertOptions,
): Promise<Converted> {
  await using reader = createTensorReader();
  const planned = new Map(gguf.tensors.map((tensor) => [tensor.name, tensor]));
  const bytes = await writeWhole(target, async (write) => {
    let doneBytes = 0;
    await writeGguf(
      gguf,
      (tensor) => convertedPieces(planned.get(tensor.name) ?? missing(tensor.name), reader),
      async (piece, totalBytes) => {
        signal?.throwIfAborted();
        await write(piece);
        doneBytes += piece.byteLength;
        onProgress?.(doneBytes, totalBytes);
      },
    );
  });
  return { bytes };
}

function missing(name: string): never {
  throw new TypeError(`${name} was not planned`);
}
