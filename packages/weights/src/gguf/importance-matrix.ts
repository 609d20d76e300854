// How much each column of a model's matrices matters, as llama.cpp's imatrix tool measures it: for each matrix the sums
// of its squared inputs and how many inputs there were. Reads the GGUF form only, and of it only what the model has.
// Source: llama.cpp v0.5.0, common/imatrix-loader.cpp and tools/quantize/quantize.cpp.

import { basename } from "node:path";
import { ServingError } from "@corral/contract";
import { withGguf } from "./check.ts";
import type { ByteSource } from "./cursor.ts";
import type { GgufHeader, GgufTensor } from "./header.ts";

export interface ImportanceMatrix {
  /** The file's name without its directory. */
  readonly file: string;
  /** The texts it was measured on. */
  readonly datasets: readonly string[];
  readonly chunkCount: number;
  /** Matrices the file knows, the model's or not. */
  readonly entryCount: number;
  /** By the name of a matrix: as many weights as its rows have elements, for each expert of it. */
  readonly entries: ReadonlyMap<string, Float32Array>;
}

const sumsSuffix = ".in_sum2";
const countsSuffix = ".counts";

/**
 * Reads what the file says of `tensors`. Fails with `weights_missing`, and with `weights_unreadable` for a file that is
 * no importance matrix or is one of another model.
 */
export async function readImportanceMatrix(
  path: string,
  tensors: readonly GgufTensor[],
): Promise<ImportanceMatrix> {
  return await withGguf(path, async (header, source) => {
    const fail = (reason: string): never => {
      throw new ServingError("weights_unreadable", `${path} cannot be used as importance matrix: ${reason}.`);
    };
    const type = header.metadata.get("general.type");
    if (type !== "imatrix") {
      fail(
        `its general.type is ${JSON.stringify(type ?? null)}, not "imatrix"; make one with llama-imatrix in its GGUF format`,
      );
    }
    const found = new Map(header.tensors.map((tensor) => [tensor.name, tensor]));
    const entries = new Map<string, Float32Array>();
    for (const tensor of tensors) {
      const sums = found.get(tensor.name + sumsSuffix);
      const counts = found.get(tensor.name + countsSuffix);
      if (sums === undefined && counts === undefined) continue;
      if (sums === undefined || counts === undefined || sums.type !== "F32" || counts.type !== "F32") {
        return fail(`${tensor.name} needs both ${sumsSuffix} and ${countsSuffix} as F32`);
      }
      const expected = (tensor.shape[0] ?? 1) * (tensor.shape[2] ?? 1);
      const length = (sums.bytes ?? 0) / 4;
      const countLength = (counts.bytes ?? 0) / 4;
      if (length !== expected) {
        fail(
          `it has ${length} values for ${tensor.name}, which has ${expected} columns: it is another model's`,
        );
      }
      if (countLength === 0 || length % countLength !== 0) {
        fail(`it has ${countLength} counts for the ${length} values of ${tensor.name}`);
      }
      const means = meansOf(await readFloats(source, sums), await readFloats(source, counts));
      if (!means.every(Number.isFinite)) fail(`it holds values for ${tensor.name} that are not finite`);
      entries.set(tensor.name, means);
    }
    if (entries.size === 0) fail("it names no matrix of this model");
    return { file: basename(path), entries, ...describe(header) };
  });
}

function describe({ metadata, tensors }: GgufHeader) {
  const datasets = metadata.get("imatrix.datasets");
  const chunkCount = metadata.get("imatrix.chunk_count");
  const items = typeof datasets === "object" ? (datasets.items ?? []) : [];
  return {
    datasets: items.filter((item) => typeof item === "string"),
    chunkCount: typeof chunkCount === "number" ? chunkCount : 0,
    entryCount: tensors.filter(({ name }) => name.endsWith(sumsSuffix)).length,
  };
}

async function readFloats(source: ByteSource, { name, offset, bytes }: GgufTensor): Promise<Float32Array> {
  const read = await source.read(offset, bytes ?? 0);
  if (read.byteLength !== bytes) throw new RangeError(`${name} ended early`);
  // A copy, because a view of floats needs an address that is a multiple of four.
  return new Float32Array(new Uint8Array(read).buffer);
}

/** Sums by the number of inputs, expert by expert; an expert that was never asked counts as even. */
function meansOf(sums: Float32Array, counts: Float32Array): Float32Array {
  const width = sums.length / counts.length;
  return sums.map((sum, index) => {
    const count = Math.round(counts[Math.floor(index / width)] ?? 0);
    return count > 0 ? sum / count : 1;
  });
}
