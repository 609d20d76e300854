// Which matrices llama.cpp copies into an order of its own as it loads them, and how large the copies are.
// Source: llama.cpp v0.5.0, ggml-cpu/repack.cpp (ggml_repack_get_optimal_repack_type), ggml-cpu/amx/amx.cpp and mmq.cpp.

import type { Processor, ProcessorFeature } from "./processor.ts";

/** Rows of a matrix must be a multiple of `rows` for one of `features` to have a kernel. */
interface Kernel {
  readonly feature: ProcessorFeature;
  readonly rows: number;
}

const kernel = (feature: ProcessorFeature, rows: number): Kernel => ({ feature, rows });
const arm = (rows: number) => [kernel("i8mm", rows), kernel("dotprod", rows)];

const kernels: Readonly<Record<string, readonly Kernel[]>> = {
  Q4_0: [kernel("avx2", 8), kernel("sve256", 8), ...arm(4)],
  Q4_K: [kernel("avx2", 8), ...arm(8)],
  Q2_K: [kernel("avx512", 8)],
  Q5_K: arm(8),
  Q6_K: arm(8),
  IQ4_NL: [kernel("avx2", 8), kernel("dotprod", 4)],
  MXFP4: [kernel("avx2", 8), kernel("dotprod", 4)],
  Q8_0: arm(4),
  Q1_0: arm(4),
};

/** What matrix tiles take beside a block's own bytes, and the length that rows are a multiple of. */
const tiles: Readonly<Record<string, { readonly rowMultiple: number; readonly bytesPer32: number }>> = {
  Q4_0: { rowMultiple: 32, bytesPer32: 0 },
  Q4_1: { rowMultiple: 32, bytesPer32: 0 },
  Q8_0: { rowMultiple: 32, bytesPer32: 4 },
  Q4_K: { rowMultiple: 256, bytesPer32: 0.5 },
  Q5_K: { rowMultiple: 256, bytesPer32: 0.5 },
  Q6_K: { rowMultiple: 256, bytesPer32: 0 },
  IQ4_XS: { rowMultiple: 256, bytesPer32: 0.25 },
  F16: { rowMultiple: 16, bytesPer32: 0 },
};

/** Bytes of the copy of a matrix that products are made with; null: it is used where the file lies. */
export function repackedBytes(
  {
    type,
    shape,
    bytes,
  }: { readonly type: string; readonly shape: readonly number[]; readonly bytes: number },
  { features }: Processor,
): number | null {
  const [rowLength = 1, rowCount = 1] = shape;
  if (shape.length < 2) return null;
  const tile = tiles[type];
  const isTiled = features.has("amx") && shape.length === 2 && rowCount % 32 === 0;
  if (tile !== undefined && isTiled && rowLength % tile.rowMultiple === 0) {
    return bytes + (rowLength / 32) * tile.bytesPer32 * rowCount;
  }
  const fits = (kernels[type] ?? []).some(
    ({ feature, rows }) => features.has(feature) && rowCount % rows === 0,
  );
  return fits ? bytes : null;
}
