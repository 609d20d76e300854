// About how large a model becomes in each quantisation. Pure.
// Source: llama.cpp v0.5.0, llama-quant.cpp: which type each recipe gives to attention, feed-forward and output.

import { quantizations, type Quantization } from "@corral/contract";
import type { GgufHeader } from "../gguf/header.ts";

/** Bits of a weight in the matrices of layers, as files of Llama models have them on average. */
const bitsOfWeight: Partial<Record<Quantization, number>> = {
  f32: 32,
  f16: 16,
  bf16: 16,
  q8_0: 8.5,
  q6_k: 6.5625,
  q5_k_m: 5.68,
  q5_k_s: 5.5,
  q5_1: 6,
  q5_0: 5.5,
  q4_k_m: 4.85,
  q4_k_s: 4.55,
  q4_1: 5,
  q4_0: 4.5,
  q3_k_l: 4.22,
  q3_k_m: 3.86,
  q3_k_s: 3.4375,
  q2_k: 2.95,
};

/** Those that are suggested, the best first: each is smaller than the one before and still of use. */
export const suggestedQuantizations = [
  "q8_0",
  "q6_k",
  "q5_k_m",
  "q4_k_m",
  "q3_k_m",
  "q2_k",
] as const satisfies readonly Quantization[];

/** Null for one that is not known here. */
export function quantizedBytes(header: GgufHeader, quantization: Quantization): number | null {
  const bits = bitsOfWeight[quantization];
  if (bits === undefined) return null;
  const isTied = !header.tensors.some(({ name }) => name === "output.weight");
  let bytes = 0;
  for (const { name, shape, bytes: own } of header.tensors) {
    const count = shape.reduce((product, length) => product * length, 1);
    const isOutput = name === "output.weight" || (isTied && name === "token_embd.weight");
    if (shape.length < 2) bytes += own ?? count * 4;
    // The output matrix is kept finer than the others.
    else bytes += (count * (isOutput && bits < 8 ? Math.max(bits, 6.5625) : bits)) / 8;
  }
  return bytes;
}

/** Whether weights may be rewritten smaller without being rounded twice. */
export function isQuantizable(header: GgufHeader): boolean {
  return ["F32", "F16", "BF16", null].includes(header.fileType);
}

export const knownQuantizations: readonly Quantization[] = quantizations.filter(
  (name) => name in bitsOfWeight,
);
