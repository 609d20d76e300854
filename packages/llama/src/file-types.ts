// llama.cpp's numbers of the types that matrices can be rewritten in, and which of those need an importance matrix.
// Source: llama.h, enum llama_ftype; ggml.h, enum ggml_type; llama-quant.cpp, tensor_requires_imatrix.

import type { Quantization, TensorTypeName } from "@corral/contract";

/** `LLAMA_FTYPE_*`. */
export const fileTypeNumbers: Readonly<Record<Quantization, number>> = {
  f32: 0,
  f16: 1,
  q4_0: 2,
  q4_1: 3,
  q8_0: 7,
  q5_0: 8,
  q5_1: 9,
  q2_k: 10,
  q3_k_s: 11,
  q3_k_m: 12,
  q3_k_l: 13,
  q4_k_s: 14,
  q4_k_m: 15,
  q5_k_s: 16,
  q5_k_m: 17,
  q6_k: 18,
  iq2_xxs: 19,
  iq2_xs: 20,
  q2_k_s: 21,
  iq3_xs: 22,
  iq3_xxs: 23,
  iq1_s: 24,
  iq4_nl: 25,
  iq3_s: 26,
  iq3_m: 27,
  iq2_s: 28,
  iq2_m: 29,
  iq4_xs: 30,
  iq1_m: 31,
  bf16: 32,
  tq1_0: 36,
  tq2_0: 37,
  mxfp4_moe: 38,
  q1_0: 40,
  q2_0: 41,
};

/** `GGML_TYPE_*`. */
export const tensorTypeNumbers: Readonly<Record<TensorTypeName, number>> = {
  f32: 0,
  f16: 1,
  q4_0: 2,
  q4_1: 3,
  q5_0: 6,
  q5_1: 7,
  q8_0: 8,
  q2_k: 10,
  q3_k: 11,
  q4_k: 12,
  q5_k: 13,
  q6_k: 14,
  iq4_nl: 20,
  iq3_s: 21,
  iq4_xs: 23,
  bf16: 30,
};

const typesByImportance: ReadonlySet<string> = new Set([
  "IQ1_S",
  "IQ1_M",
  "IQ2_XXS",
  "IQ2_XS",
  "IQ2_S",
  "IQ3_XXS",
]);

/**
 * Whether llama.cpp refuses to write a matrix in `tensorType`, by its name in a GGUF, without weights of importance:
 * never the token embedding or the output matrix.
 */
export function needsImportance(tensor: string, tensorType: string, quantization: Quantization): boolean {
  if (isTokenEmbedding(tensor) || tensor === "output.weight") return false;
  return typesByImportance.has(tensorType) || (tensorType === "Q2_K" && quantization === "q2_k_s");
}

export function isTokenEmbedding(tensor: string): boolean {
  return tensor === "token_embd.weight" || tensor === "per_layer_token_embd.weight";
}
