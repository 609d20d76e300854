// A LoRA adapter as PEFT saves it, as a GGUF adapter: equal to what llama.cpp's converter makes of it byte for byte.
// Source: llama.cpp v0.5.0, convert_lora_to_gguf.py.

import { join } from "node:path";
import { readSafetensorsFile, type StoredTensor } from "../safetensors/directory.ts";
import type { GgufHeader } from "../gguf/header.ts";
import { architectures } from "./architectures.ts";
import { readModelConfig, type ModelConfig } from "./config.ts";
import {
  outputTypeOf,
  quantizationVersion,
  writeTensors,
  type Converted,
  type ConvertOptions,
} from "./convert-model.ts";
import { checkDirectory, readJson, unreadable, unsupported, type JsonObject } from "./files.ts";
import { isFloatType, type FloatType } from "./float-conversion.ts";
import { generalMetadata, originFileNames } from "./general-metadata.ts";
import { f32, text, u32, type Metadata } from "./model-metadata.ts";
import { ggufName } from "./tensor-names.ts";
import { permutedHeads, typeOf, type PlannedTensor } from "./tensors.ts";

const configName = "adapter_config.json";
const weightsName = "adapter_model.safetensors";
/** What is read of a PEFT directory. */
export const loraFileNames: { readonly required: readonly string[]; readonly optional: readonly string[] } = {
  required: [configName, weightsName],
  optional: originFileNames,
};

/** What names and rows of an adapter's matrices follow from. */
export type LoraBase = Pick<ModelConfig, "architecture" | "layerCount" | "headCount" | "keyValueHeadCount">;

/** Of a model in GGUF; null where adapters of its architecture are not converted. */
export function loraBaseOf({ architecture: name, metadata, blockCount }: GgufHeader): LoraBase | null {
  const architecture = Object.values(architectures).find((known) => known.name === name);
  const headCount = metadata.get(`${name}.attention.head_count`);
  const keyValueHeadCount = metadata.get(`${name}.attention.head_count_kv`) ?? headCount;
  if (architecture === undefined || blockCount === null) return null;
  // Some architectures have a number for each layer.
  if (typeof headCount !== "number" || typeof keyValueHeadCount !== "number") return null;
  return { architecture, layerCount: blockCount, headCount, keyValueHeadCount };
}

/**
 * Writes `target` as `convertHuggingFaceDirectory` does, with the same failures; matrices are f32 unless told otherwise.
 * @param base of the model the adapter belongs to: its Hugging Face directory, of which only config.json is read, or
 *   what its GGUF says
 */
export async function convertLoraDirectory(
  directory: string,
  base: string | LoraBase,
  target: string,
  options: ConvertOptions = {},
): Promise<Converted> {
  await checkDirectory(directory);
  if (typeof base === "string") await checkDirectory(base);
  const adapter = await readAdapterConfig(directory);
  const config = typeof base === "string" ? await readModelConfig(base) : base;
  const path = join(directory, weightsName);
  const stored = await readSafetensorsFile(path);
  const tensors = planAdapter(config, stored, outputTypeOf(options.outputType ?? "f32", stored), path);
  const { modelName } = options;
  const parameterCount = countParameters(tensors);
  const metadata: Metadata = {
    "general.architecture": text(config.architecture.name),
    "general.type": text("adapter"),
    "adapter.type": text("lora"),
    ...(await generalMetadata({
      directory,
      parameterCount,
      ...(modelName === undefined ? {} : { modelName }),
    })),
    "adapter.lora.alpha": f32(adapter.alpha),
    "general.quantization_version": u32(quantizationVersion),
  };
  return await writeTensors({ metadata, tensors }, target, options);
}

async function readAdapterConfig(directory: string): Promise<{ readonly alpha: number }> {
  const path = join(directory, configName);
  const config = await readJson(directory, configName);
  if (config === null) throw unreadable(path, "it is missing; give the directory of a PEFT adapter");
  refuseOtherKinds(config, path);
  const { lora_alpha: alpha } = config;
  if (typeof alpha !== "number")
    throw unreadable(path, `lora_alpha is ${JSON.stringify(alpha) ?? "missing"}`);
  return { alpha };
}

/** What llama.cpp would compute wrongly, as its adapters are two matrices and one scale. */
function refuseOtherKinds(config: JsonObject, path: string): void {
  const { peft_type: kind = "LORA" } = config;
  if (kind !== "LORA") throw unsupported(path, `peft_type is ${JSON.stringify(kind)}; LORA is converted`);
  for (const key of ["use_dora", "use_rslora", "fan_in_fan_out"])
    if (config[key] === true) throw unsupported(path, `${key} is set, which GGUF adapters cannot express`);
  for (const key of ["rank_pattern", "alpha_pattern"]) {
    const pattern = config[key];
    const isEmpty = typeof pattern !== "object" || pattern === null || Object.keys(pattern).length === 0;
    // Ranks are in the shapes; an alpha for each layer has no place.
    if (key === "alpha_pattern" && !isEmpty)
      throw unsupported(path, `${key} is set, and a GGUF adapter has one alpha`);
  }
}

/** Pairs in the order of their first halves. */
function planAdapter(
  config: LoraBase,
  stored: readonly StoredTensor[],
  matrixType: FloatType,
  path: string,
): PlannedTensor[] {
  const pairs = new Map<string, { a?: StoredTensor; b?: StoredTensor }>();
  for (const tensor of stored) {
    const [, base, half] = /^(?:base_model\.model\.)?(.*)\.lora_([AB])\.weight$/.exec(tensor.name) ?? [];
    if (base === undefined) {
      throw unsupported(
        path,
        `its tensor ${JSON.stringify(tensor.name)} is no half of a LoRA pair; merge the adapter into the model and convert that`,
      );
    }
    const pair = pairs.get(base) ?? {};
    if (half === "A") pair.a = tensor;
    else pair.b = tensor;
    pairs.set(base, pair);
  }
  if (pairs.size === 0) throw unreadable(path, "it holds no tensors");
  return [...pairs].flatMap(([base, { a, b }]) => {
    if (a === undefined || b === undefined)
      throw unreadable(path, `${base} has only one half of its LoRA pair; fetch the file again`);
    return planPair(base, a, b, config, matrixType);
  });
}

function planPair(
  base: string,
  a: StoredTensor,
  b: StoredTensor,
  config: LoraBase,
  matrixType: FloatType,
): PlannedTensor[] {
  const name = ggufName(`${base}.weight`, config.architecture, config.layerCount);
  if (name === null || name === "token_embd.weight") {
    throw unsupported(a.path, `it changes ${base}, which a ${config.architecture.name} adapter cannot`);
  }
  if (a.shape.length !== 2 || b.shape.length !== 2 || a.shape[0] !== b.shape[1]) {
    throw unreadable(
      a.path,
      `the halves of ${base} have the shapes [${a.shape.join(", ")}] and [${b.shape.join(", ")}], whose ranks differ`,
    );
  }
  const heads = permutedHeads({ ...b, name: `${base}.weight` }, config);
  return [half(`${name}.lora_a`, a, 0, matrixType), half(`${name}.lora_b`, b, heads, matrixType)];
}

function half(name: string, tensor: StoredTensor, heads: number, matrixType: FloatType): PlannedTensor {
  const { dtype, shape, path } = tensor;
  if (!isFloatType(dtype)) {
    throw unsupported(
      path,
      `its tensor ${JSON.stringify(tensor.name)} is of the dtype ${dtype}; F32, F16 and BF16 are converted`,
    );
  }
  return {
    name,
    shape: shape.toReversed(),
    type: typeOf(name, shape, matrixType),
    from: { kind: "stored", tensor, dtype, permutedHeads: heads },
  };
}

/** Of the matrices that the pairs stand for; negative, as it is less than the model's. */
function countParameters(tensors: readonly PlannedTensor[]): number {
  let count = 0;
  for (let index = 0; index < tensors.length; index += 2)
    count += (tensors[index]?.shape[0] ?? 0) * (tensors[index + 1]?.shape[1] ?? 0);
  return -count;
}
