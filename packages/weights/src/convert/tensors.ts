// Which tensors a GGUF file gets, of which type, and how their bytes come out of the source. Source: llama.cpp v0.5.0,
// conversion/base.py (prepare_tensors) and conversion/llama.py (permute).

import type { WritableTensor } from "../gguf/writer.ts";
import type { StoredTensor } from "../safetensors/directory.ts";
import type { TensorReader } from "../safetensors/read-tensor.ts";
import type { ModelConfig } from "./config.ts";
import { unreadable, unsupported } from "./files.ts";
import { floatBytes, floatConversion, isFloatType, type FloatType } from "./float-conversion.ts";
import { ropeFactors } from "./rope-factors.ts";
import { checkShape } from "./tensor-shapes.ts";
import { ggufName, isComputed, requiredNames } from "./tensor-names.ts";

export interface PlannedTensor extends WritableTensor {
  readonly type: FloatType;
  readonly from: TensorSource;
}

export type TensorSource =
  | { readonly kind: "bytes"; readonly bytes: Uint8Array }
  | {
      readonly kind: "stored";
      readonly tensor: StoredTensor;
      readonly dtype: FloatType;
      /** Rows change places inside each of so many heads; 0: they stay. */
      readonly permutedHeads: number;
    };

/** In the order in which they are written. Fails with `weights_unreadable` or `weights_unsupported`. */
export function planTensors(
  config: ModelConfig,
  stored: ReadonlyMap<string, StoredTensor>,
  matrixType: FloatType,
  directory: string,
): PlannedTensor[] {
  const { architecture, layerCount } = config;
  const planned: PlannedTensor[] = [];
  for (const tensor of stored.values()) {
    if (isComputed(tensor.name)) continue;
    const name = ggufName(tensor.name, architecture, layerCount);
    if (name === null) {
      throw unsupported(
        tensor.path,
        `its tensor ${JSON.stringify(tensor.name)} has no place in a ${architecture.name} model of ${layerCount} layers`,
      );
    }
    planned.push(planStored(name, tensor, config, matrixType));
  }
  requireWhole(config, stored, directory);
  // Last, because only shapes bound the numbers of config.json that it follows from.
  const factors = ropeFactors(config, directory);
  if (factors === null) return planned;
  const ropeTensor: PlannedTensor = {
    name: "rope_freqs.weight",
    shape: [factors.length],
    type: "F32",
    from: { kind: "bytes", bytes: new Uint8Array(factors.buffer) },
  };
  return [ropeTensor, ...planned];
}

function requireWhole(
  { architecture, layerCount, raw }: ModelConfig,
  stored: ReadonlyMap<string, StoredTensor>,
  directory: string,
): void {
  if (layerCount > stored.size) {
    throw unreadable(
      directory,
      `its files hold ${stored.size} tensors, and num_hidden_layers in config.json is ${layerCount}: a file is missing, fetch it`,
    );
  }
  // Every class has an output matrix of its own unless the file says otherwise.
  const isTied = raw["tie_word_embeddings"] === true;
  for (const name of [...requiredNames(architecture, layerCount), ...(isTied ? [] : ["lm_head.weight"])]) {
    if (stored.has(name)) continue;
    const more =
      name === "lm_head.weight"
        ? ", or set tie_word_embeddings to true in config.json where the model has no output matrix of its own"
        : "";
    throw unreadable(
      directory,
      `no file holds the tensor ${JSON.stringify(name)}: one is missing, fetch it${more}`,
    );
  }
}

function planStored(
  name: string,
  tensor: StoredTensor,
  config: ModelConfig,
  matrixType: FloatType,
): PlannedTensor {
  const { dtype, shape, path } = tensor;
  if (!isFloatType(dtype)) {
    throw unsupported(
      path,
      `its tensor ${JSON.stringify(tensor.name)} is of the dtype ${dtype}; F32, F16 and BF16 are converted`,
    );
  }
  if (shape.length === 0 || shape.length > 2 || shape.includes(0)) {
    throw unreadable(path, `its tensor ${JSON.stringify(tensor.name)} has the shape [${shape.join(", ")}]`);
  }
  checkShape(tensor, config);
  return {
    name,
    shape: shape.toReversed(),
    type: typeOf(name, shape, matrixType),
    from: { kind: "stored", tensor, dtype, permutedHeads: permutedHeads(tensor, config) },
  };
}

/** Vectors and norms are always f32. */
export function typeOf(name: string, shape: readonly number[], matrixType: FloatType): FloatType {
  if (shape.length <= 1 || name.endsWith("_norm.weight")) return "F32";
  return /\.(weight|lora_a|lora_b)$/.test(name) ? matrixType : "F32";
}

export function permutedHeads(
  { name, shape, path }: StoredTensor,
  config: Pick<ModelConfig, "architecture" | "headCount" | "keyValueHeadCount">,
): number {
  if (!config.architecture.permutesHeads) return 0;
  const [, part] = /\.([qk])_proj\.(weight|bias)$/.exec(name) ?? [];
  if (part === undefined) return 0;
  const heads = part === "q" ? config.headCount : config.keyValueHeadCount;
  const rows = shape[0] ?? 0;
  if (rows % (2 * heads) !== 0) {
    throw unreadable(
      path,
      `its tensor ${JSON.stringify(name)} has ${rows} rows, which ${heads} heads cannot share evenly: it does not belong to this config.json`,
    );
  }
  return heads;
}

const pieceBytes = 4 << 20;

/** The tensor's bytes in its type, in pieces that are overwritten by the next. */
export async function* convertedPieces(
  { type, from }: PlannedTensor,
  reader: TensorReader,
): AsyncIterable<Uint8Array> {
  if (from.kind === "bytes") return yield from.bytes;
  const { tensor, dtype, permutedHeads: heads } = from;
  const [rowCount = 1, rowLength = 1] = tensor.shape;
  const rowBytes = rowLength * floatBytes[dtype];
  // Whole heads where rows change places; else as much as fits, which may be a part of a row.
  const headBytes = heads === 0 ? floatBytes[dtype] : (rowCount / heads) * rowBytes;
  const unit = Math.max(headBytes, Math.floor(pieceBytes / headBytes) * headBytes);
  const source = new Uint8Array(Math.min(unit, tensor.bytes));
  const permuted = heads === 0 ? source : new Uint8Array(source.byteLength);
  const convert = floatConversion(dtype, type);
  const converted =
    convert === null ? permuted : new Uint8Array((source.byteLength / floatBytes[dtype]) * floatBytes[type]);
  for (let offset = 0; offset < tensor.bytes; offset += source.byteLength) {
    const length = Math.min(source.byteLength, tensor.bytes - offset);
    await reader.read(tensor, offset, source.subarray(0, length));
    if (heads !== 0) permuteHeads(source.subarray(0, length), permuted, rowCount / heads, rowBytes);
    if (convert === null) yield permuted.subarray(0, length);
    else {
      const outLength = (length / floatBytes[dtype]) * floatBytes[type];
      convert(permuted.subarray(0, length), converted.subarray(0, outLength));
      yield converted.subarray(0, outLength);
    }
  }
}

/** Row `half · h + i` of a head (h = 0, 1) becomes its row `2 i + h`. */
function permuteHeads(from: Uint8Array, into: Uint8Array, headRows: number, rowBytes: number): void {
  const half = headRows / 2;
  for (let head = 0; head < from.byteLength; head += headRows * rowBytes) {
    for (let row = 0; row < headRows; row += 1) {
      const target = 2 * (row % half) + Math.floor(row / half);
      const start = head + row * rowBytes;
      into.set(from.subarray(start, start + rowBytes), head + target * rowBytes);
    }
  }
}
