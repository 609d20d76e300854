// The factors by which Llama 3.1 stretches its positions, one for each pair of a head's numbers; GGUF has them as the
// tensor rope_freqs.weight. Source: llama.cpp v0.5.0, conversion/llama.py, generate_extra_tensors, whose floats are
// PyTorch's of 32 bits.

import { numberOf, type ModelConfig } from "./config.ts";

/** `[headLength / 2]`; null where the model is not scaled so. */
export function ropeFactors(config: ModelConfig, path: string): Float32Array<ArrayBuffer> | null {
  const { rope, architecture, embeddingLength, headCount } = config;
  if (rope.type !== "llama3" || architecture.name !== "llama") return null;
  const headLength = config.headLength ?? Math.floor(embeddingLength / headCount);
  const parameter = (key: string, otherwise: number) => numberOf(rope.raw, key, path, otherwise);
  const factor = parameter("factor", 8);
  const lowFactor = parameter("low_freq_factor", 1);
  const highFactor = parameter("high_freq_factor", 4);
  const contextLength = parameter("original_max_position_embeddings", 8_192);

  return Float32Array.from({ length: Math.ceil(headLength / 2) }, (_, pair) => {
    const frequency = inverse(Math.fround(rope.theta ** Math.fround((2 * pair) / headLength)));
    const wavelength = Math.fround(inverse(frequency) * Math.fround(2 * Math.PI));
    if (wavelength < contextLength / highFactor) return 1;
    if (wavelength > contextLength / lowFactor) return factor;
    const turns = Math.fround(inverse(wavelength) * contextLength);
    const smooth = Math.fround(Math.fround(turns - lowFactor) / (highFactor - lowFactor));
    return inverse(Math.fround(Math.fround(Math.fround(1 - smooth) / factor) + smooth));
  });
}

/** PyTorch divides a number by a tensor as a product with its inverse. */
function inverse(value: number): number {
  return Math.fround(1 / value);
}
