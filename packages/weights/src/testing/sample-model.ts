// Makes one tiny Hugging Face directory from its description and a seed. Not part of the package's public face.

import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { builtInModelsDirectory } from "../built-in.ts";
import { randomTensor, writeSafetensors, type SampleDtype, type SampleTensor } from "./sample-safetensors.ts";

export interface SampleModel {
  /** Of its directory, which the converter reads a name out of. */
  readonly name: string;
  readonly outputType: "auto" | "f32" | "f16" | "bf16";
  /** What the converter is told where it would look up a hash; null: no byte-level BPE. */
  readonly pre: string | null;
  readonly config: Readonly<Record<string, unknown>>;
  readonly dtype: SampleDtype;
  readonly shardCount: number;
  /** By name: text, JSON, or a file of a tiny model. */
  readonly files: Readonly<Record<string, SampleFile>>;
  readonly changeTensor?: (tensor: SampleTensor) => SampleTensor;
}

export type SampleFile = string | { readonly json: unknown } | { readonly copyOf: string };

/** Makes the directory `parent/NAME` and returns its path. */
export function makeSampleModel(model: SampleModel, parent: string): string {
  const directory = join(parent, model.name);
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, "config.json"), JSON.stringify(model.config, null, 2));
  for (const [name, file] of Object.entries(model.files)) {
    const path = join(directory, name);
    mkdirSync(dirname(path), { recursive: true });
    if (typeof file === "string") writeFileSync(path, file);
    else if ("json" in file) writeFileSync(path, JSON.stringify(file.json));
    else copyFileSync(join(builtInModelsDirectory, file.copyOf), path);
  }
  const change = model.changeTensor ?? ((tensor: SampleTensor) => tensor);
  writeSafetensors(directory, sampleTensors(model).map(change), model.shardCount);
  return directory;
}

/** Every tensor that transformers would save, in the order of the model's layers. */
function sampleTensors({ config, dtype }: SampleModel): SampleTensor[] {
  const number = (key: string): number => Number(config[key]);
  const [hidden, forward] = [number("hidden_size"), number("intermediate_size")];
  const headLength = Number(config["head_dim"] ?? hidden / number("num_attention_heads"));
  const queries = headLength * number("num_attention_heads");
  const keys = headLength * number("num_key_value_heads");
  const isQwen2 = config["model_type"] === "qwen2";
  const hasHeadNorms = config["model_type"] === "qwen3";
  const tensors: SampleTensor[] = [];
  const add = (name: string, ...size: number[]) => tensors.push(randomTensor(name, dtype, size, 5526));
  const linear = (name: string, rows: number, columns: number, hasBias: boolean) => {
    add(`${name}.weight`, rows, columns);
    if (hasBias) add(`${name}.bias`, rows);
  };
  add("model.embed_tokens.weight", number("vocab_size"), hidden);
  for (let layer = 0; layer < number("num_hidden_layers"); layer += 1) {
    const prefix = `model.layers.${layer}`;
    add(`${prefix}.input_layernorm.weight`, hidden);
    const attentionBias = config["attention_bias"] === true;
    linear(`${prefix}.self_attn.q_proj`, queries, hidden, attentionBias || isQwen2);
    linear(`${prefix}.self_attn.k_proj`, keys, hidden, attentionBias || isQwen2);
    linear(`${prefix}.self_attn.v_proj`, keys, hidden, attentionBias || isQwen2);
    linear(`${prefix}.self_attn.o_proj`, hidden, queries, attentionBias);
    if (hasHeadNorms) {
      add(`${prefix}.self_attn.q_norm.weight`, headLength);
      add(`${prefix}.self_attn.k_norm.weight`, headLength);
    }
    add(`${prefix}.post_attention_layernorm.weight`, hidden);
    linear(`${prefix}.mlp.gate_proj`, forward, hidden, config["mlp_bias"] === true);
    linear(`${prefix}.mlp.up_proj`, forward, hidden, config["mlp_bias"] === true);
    linear(`${prefix}.mlp.down_proj`, hidden, forward, config["mlp_bias"] === true);
  }
  add("model.norm.weight", hidden);
  if (config["tie_word_embeddings"] !== true) add("lm_head.weight", number("vocab_size"), hidden);
  return tensors;
}

/** A file of a tiny model. */
export function tinyBytes(path: string): Buffer {
  return readFileSync(join(builtInModelsDirectory, path));
}
