// What GGUF says of a model's shape, under the architecture's name. Source: llama.cpp v0.5.0, conversion/base.py,
// TextModel.set_gguf_parameters, and conversion/llama.py.

import type { WritableValue } from "../gguf/writer.ts";
import { numberOf, type ModelConfig, type RopeConfig } from "./config.ts";
import { unsupported } from "./files.ts";

export type Metadata = Record<string, WritableValue>;

/** @param fileType the number of `general.file_type` */
export function modelMetadata(config: ModelConfig, fileType: number, path: string): Metadata {
  const { name } = config.architecture;
  const { headLength } = config;
  return {
    [`${name}.block_count`]: u32(config.layerCount),
    [`${name}.context_length`]: u32(config.contextLength),
    [`${name}.embedding_length`]: u32(config.embeddingLength),
    [`${name}.feed_forward_length`]: u32(config.feedForwardLength),
    [`${name}.attention.head_count`]: u32(config.headCount),
    [`${name}.attention.head_count_kv`]: u32(config.keyValueHeadCount),
    ...ropeScaling(config, path),
    [`${name}.rope.freq_base`]: f32(config.rope.theta),
    [`${name}.attention.layer_norm_rms_epsilon`]: f32(config.normEpsilon),
    ...(headLength === null
      ? {}
      : {
          [`${name}.attention.key_length`]: u32(headLength),
          [`${name}.attention.value_length`]: u32(headLength),
        }),
    "general.file_type": u32(fileType),
    ...(config.architecture.writesVocabularySize
      ? {
          [`${name}.vocab_size`]: u32(config.vocabularySize),
          [`${name}.rope.dimension_count`]: u32(
            headLength ?? Math.floor(config.embeddingLength / config.headCount),
          ),
        }
      : {}),
  };
}

/** `llama3` is a tensor of factors instead (`rope-factors.ts`); `dynamic` has no place in GGUF. */
function ropeScaling({ rope, architecture, contextLength }: ModelConfig, path: string): Metadata {
  const key = (name: string) => `${architecture.name}.rope.scaling.${name}`;
  switch (rope.type) {
    case "default":
    case "dynamic":
      return {};
    case "llama3":
      // Only Llama's class makes the factors; the others would run unscaled.
      if (architecture.name === "llama") return {};
      throw unsupported(path, `rope_type "llama3" is not known of ${architecture.name} models`);
    case "linear":
      return { [key("type")]: text("linear"), [key("factor")]: f32(factorOf(rope, path)) };
    case "yarn":
      return {
        [key("type")]: text("yarn"),
        [key("factor")]: f32(factorOf(rope, path)),
        [key("original_context_length")]: u32(
          numberOf(rope.raw, "original_max_position_embeddings", path, contextLength),
        ),
        ...optional(key("yarn_ext_factor"), rope.raw["extrapolation_factor"]),
        ...optional(key("yarn_attn_factor"), rope.raw["attention_factor"] ?? rope.raw["attn_factor"]),
        ...optional(key("yarn_beta_fast"), rope.raw["beta_fast"]),
        ...optional(key("yarn_beta_slow"), rope.raw["beta_slow"]),
      };
    default:
      throw unsupported(
        path,
        `the rope_type ${JSON.stringify(rope.type)} is not known; known are default, linear, llama3, yarn, dynamic`,
      );
  }
}

function factorOf(rope: RopeConfig, path: string): number {
  return numberOf(rope.raw, "factor", path);
}

function optional(key: string, value: unknown): Metadata {
  return typeof value === "number" ? { [key]: f32(value) } : {};
}

export const text = (value: string): WritableValue => ({ type: "string", value });
export const u32 = (value: number): WritableValue => ({ type: "u32", value });
export const i32 = (value: number): WritableValue => ({ type: "i32", value });
export const f32 = (value: number): WritableValue => ({ type: "f32", value });
export const bool = (value: boolean): WritableValue => ({ type: "bool", value });
