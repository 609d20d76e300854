// Writes a random Llama as a GGUF file: f16 first, one tensor at a time, then the type that was asked for.

import { closeSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import { availableParallelism } from "node:os";
import { quantize } from "@corral/llama";
import { writeGguf } from "@corral/weights";
import { describeLlama, type LlamaShape } from "./shape.ts";
import { randomWeights } from "./weights.ts";

export const randomFileTypes = ["f16", "q4_0", "q4_k_m"] as const;
export type RandomFileType = (typeof randomFileTypes)[number];

export interface MakeOptions {
  readonly name: string;
  readonly shape: LlamaShape;
  readonly seed: number;
  readonly fileType: RandomFileType;
  /** Has its name only once it is whole; while it is made there are `.f16` and `.part` beside it. */
  readonly path: string;
}

export async function makeRandomLlama({ name, shape, seed, fileType, path }: MakeOptions): Promise<void> {
  const half = `${path}.f16`;
  const part = `${path}.part`;
  try {
    await writeHalf(half, name, shape, seed);
    if (fileType === "f16") return renameSync(half, path);
    await quantize({
      source: half,
      target: part,
      quantization: fileType,
      threadCount: availableParallelism(),
    });
    renameSync(part, path);
  } finally {
    for (const file of [half, part]) rmSync(file, { force: true });
  }
}

async function writeHalf(path: string, name: string, shape: LlamaShape, seed: number): Promise<void> {
  const described = describeLlama(name, shape);
  const outputName = shape.tiedEmbeddings ? "token_embd.weight" : "output.weight";
  const none = new Set<number>();
  const file = openSync(path, "w");
  try {
    await writeGguf(
      described,
      (tensor) => randomWeights(tensor, seed, tensor.name === outputName ? described.unwantedTokens : none),
      async (bytes) => {
        for (let at = 0; at < bytes.byteLength;) at += writeSync(file, bytes, at);
      },
    );
  } finally {
    closeSync(file);
  }
}
