// Which shape each tensor has by config.json. Source: transformers 5.23.0, modeling_{llama,mistral,qwen2,qwen3}.py.

import type { StoredTensor } from "../safetensors/directory.ts";
import type { ModelConfig } from "./config.ts";
import { unreadable } from "./files.ts";

/** `[outputs, inputs]` of a matrix, whose bias has `outputs`; null for a name that has no place. */
function matrixShape(part: string, config: ModelConfig): readonly [number, number] | null {
  const { embeddingLength: width, feedForwardLength, headCount, keyValueHeadCount, vocabularySize } = config;
  const headLength = config.headLength ?? Math.floor(width / headCount);
  switch (part) {
    case "embed_tokens":
    case "lm_head":
      return [vocabularySize, width];
    case "q_proj":
      return [headCount * headLength, width];
    case "k_proj":
    case "v_proj":
      return [keyValueHeadCount * headLength, width];
    case "o_proj":
      return [width, headCount * headLength];
    case "gate_proj":
    case "up_proj":
      return [feedForwardLength, width];
    case "down_proj":
      return [width, feedForwardLength];
    default:
      return null;
  }
}

function shapeOf(name: string, config: ModelConfig): readonly number[] | null {
  const [part = "", kind = ""] = name.split(".").slice(-2);
  const { embeddingLength, headCount } = config;
  if (part === "q_norm" || part === "k_norm")
    return [config.headLength ?? Math.floor(embeddingLength / headCount)];
  if (part === "norm" || part.endsWith("layernorm")) return [embeddingLength];
  const matrix = matrixShape(part, config);
  return matrix !== null && kind === "bias" ? [matrix[0]] : matrix;
}

/** Fails with `weights_unreadable` where a tensor does not belong to this config.json. */
export function checkShape({ name, shape, path }: StoredTensor, config: ModelConfig): void {
  const expected = shapeOf(name, config);
  if (expected === null) return;
  if (expected.length === shape.length && expected.every((length, index) => length === shape[index])) return;
  throw unreadable(
    path,
    `its tensor ${JSON.stringify(name)} has the shape [${shape.join(", ")}], and by config.json it has [${expected.join(", ")}]: they do not belong together, fetch both again`,
  );
}
