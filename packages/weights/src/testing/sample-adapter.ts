// Small LoRA adapters for tests: matrices by a formula, so that the oracle's recorder can make the very same ones
// (scripts/oracle/record_adapters.py).

import { writeFile } from "node:fs/promises";
import type { AdapterBase } from "../gguf/adapter.ts";
import { writeGguf, type WritableGguf, type WritableValue } from "../gguf/writer.ts";

export interface SampleAdapter {
  readonly seed: number;
  /** Which of the model's matrices it changes; default: all that adapters may. */
  readonly targets?: RegExp;
  /** Default 4. */
  readonly rank?: number;
  /** Largest value of its matrices; default 0.25. */
  readonly amplitude?: number;
  /** Default 8. */
  readonly alpha?: number;
  /** Default F32. */
  readonly type?: "F32" | "F16";
  /** Over what is usual. */
  readonly metadata?: Readonly<Record<string, WritableValue>>;
}

const allTargets = /\.(attn|ffn)_[a-z]+\.weight$/;

/** Value `index` of a matrix, in `[-amplitude, amplitude]`, exact in float32 for amplitudes that are powers of two. */
function valueAt(seed: number, index: number, amplitude: number): number {
  let mixed = (Math.imul(index + 1, 0x9e3779b1) ^ Math.imul(seed + 1, 0x85ebca6b)) >>> 0;
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x2c1b3c6d) >>> 0;
  mixed = (mixed ^ (mixed >>> 13)) >>> 0;
  return (((mixed >>> 8) % 2049) / 1024 - 1) * amplitude;
}

/** Writes an adapter that fits the model. */
export async function writeSampleAdapter(
  path: string,
  model: AdapterBase,
  sample: SampleAdapter,
): Promise<void> {
  const { seed, targets = allTargets, rank = 4, amplitude = 0.25, alpha = 8, type = "F32" } = sample;
  const tensors = model.tensors
    .filter(({ name }) => targets.test(name) && !name.includes("_norm"))
    .flatMap(({ name, shape: [inputLength = 0, outputLength = 0] }) => {
      const [lengthA, lengthB] =
        name === "token_embd.weight" ? [outputLength, inputLength] : [inputLength, outputLength];
      const shapeA = name === "token_embd.weight" ? [rank, lengthA] : [lengthA, rank];
      return [
        { name: `${name}.lora_a`, shape: shapeA, type },
        { name: `${name}.lora_b`, shape: [rank, lengthB], type },
      ];
    });
  const metadata: WritableGguf["metadata"] = {
    "general.type": { type: "string", value: "adapter" },
    "general.architecture": { type: "string", value: model.architecture },
    "adapter.type": { type: "string", value: "lora" },
    "adapter.lora.alpha": { type: "f32", value: alpha },
    ...sample.metadata,
  };
  const pieces: Uint8Array[] = [];
  let tensorIndex = 0;
  await writeGguf(
    { metadata, tensors },
    ({ shape: [width = 0, height = 0] }) => {
      const tensorSeed = seed * 1000 + tensorIndex++;
      const values = Float32Array.from({ length: width * height }, (_, index) =>
        valueAt(tensorSeed, index, amplitude),
      );
      return [new Uint8Array((type === "F32" ? values : new Float16Array(values)).buffer)];
    },
    (bytes) => {
      pieces.push(bytes.slice());
      return Promise.resolve();
    },
  );
  await writeFile(path, Buffer.concat(pieces));
}
