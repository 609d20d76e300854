// Weights that rounding treats in ways of their own. Not part of the package's public face.

import type { SampleTensor } from "./sample-safetensors.ts";

/** Every half there is, but signalling NaN, which hardware and tables treat differently. */
export function strangeHalves(tensor: SampleTensor): SampleTensor {
  if (tensor.name !== "model.embed_tokens.weight") return tensor;
  const halves = new Uint16Array(tensor.bytes.slice().buffer);
  for (let half = 0; half < 1 << 16; half += 1) {
    const isSignalling = (half & 0x7c00) === 0x7c00 && (half & 0x3ff) !== 0 && (half & 0x200) === 0;
    halves[half] = isSignalling ? half | 0x200 : half;
  }
  return { ...tensor, bytes: new Uint8Array(halves.buffer) };
}

/** Ties, subnormals, overflow and infinities of half precision among the weights. */
export function strangeSingles(tensor: SampleTensor): SampleTensor {
  if (tensor.name !== "model.embed_tokens.weight") return tensor;
  const values = new Float32Array(tensor.bytes.slice().buffer);
  const strange = [
    0,
    -0,
    65_504,
    65_519.99,
    65_520,
    1e6,
    -1e6,
    Infinity,
    -Infinity,
    NaN,
    2 ** -24,
    2 ** -25,
    2 ** -25 * 1.5,
    3 * 2 ** -26,
    1e-10,
    6.1e-5,
    6.0e-5,
    2 ** -14,
  ];
  strange.forEach((value, index) => (values[index] = value));
  for (let index = 0; index < 4096; index += 1)
    values[32 + index] = (1 + index / 1024 + 2 ** -11) * 2 ** ((index % 40) - 26);
  return { ...tensor, bytes: new Uint8Array(values.buffer) };
}
