// Tiny LoRA adapters as PEFT saves them, made from a seed. Not part of the package's public face.

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { makeSampleModel, type SampleModel } from "./sample-model.ts";
import { sampleModels } from "./sample-models.ts";
import {
  encodeSafetensors,
  randomTensor,
  type SampleDtype,
  type SampleTensor,
} from "./sample-safetensors.ts";

export interface SampleAdapter {
  readonly name: string;
  readonly outputType: "f32" | "f16" | "bf16";
  /** Name of the sample model that it belongs to. */
  readonly base: string;
  readonly rank: number;
  readonly alpha: number;
  readonly dtype: SampleDtype;
  /** Of each layer. */
  readonly targets: readonly string[];
  /** Outside the layers. */
  readonly others?: readonly string[];
}

export const sampleAdapters: readonly SampleAdapter[] = [
  {
    name: "llama-2-lora-r8",
    outputType: "f32",
    base: "Sample-Llama-2-7b-chat",
    rank: 8,
    alpha: 16,
    dtype: "F32",
    targets: ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj"],
  },
  {
    name: "Llama-3.1-8B-lora",
    outputType: "f16",
    base: "Llama-3.1-8B-sample",
    rank: 4,
    alpha: 32,
    dtype: "BF16",
    targets: ["self_attn.q_proj", "self_attn.v_proj", "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"],
    others: ["lm_head"],
  },
  {
    name: "qwen3-lora",
    outputType: "bf16",
    base: "Qwen3-0.6B",
    rank: 4,
    alpha: 8,
    dtype: "F16",
    targets: ["self_attn.q_proj", "self_attn.k_proj", "mlp.down_proj"],
  },
];

/** Makes adapter and base in `parent`. */
export function makeSampleAdapter(adapter: SampleAdapter, parent: string): { path: string; base: string } {
  const model = sampleModels.find(({ name }) => name === adapter.base);
  if (model === undefined) throw new Error(`there is no sample model ${adapter.base}`);
  const base = makeSampleModel(model, parent);
  const path = join(parent, adapter.name);
  writePeftAdapter(path, adapter, model.config);
  return { path, base };
}

/** Makes the directory of an adapter; `model` is what is in the base's config.json. */
export function writePeftAdapter(
  path: string,
  adapter: Omit<SampleAdapter, "outputType">,
  model: SampleModel["config"],
): void {
  mkdirSync(path, { recursive: true });
  const config = {
    base_model_name_or_path: `somebody/${adapter.base}`,
    bias: "none",
    lora_alpha: adapter.alpha,
    peft_type: "LORA",
    r: adapter.rank,
    target_modules: adapter.targets,
    task_type: "CAUSAL_LM",
  };
  writeFileSync(join(path, "adapter_config.json"), JSON.stringify(config, null, 2));
  writeFileSync(join(path, "adapter_model.safetensors"), encodeSafetensors(adapterTensors(adapter, model)));
}

function adapterTensors(
  { rank, dtype, targets, others = [] }: Omit<SampleAdapter, "outputType">,
  config: SampleModel["config"],
): SampleTensor[] {
  const layers = Array.from({ length: Number(config["num_hidden_layers"]) }, (_, layer) => layer);
  const names = [
    ...layers.flatMap((layer) => targets.map((target) => `model.layers.${layer}.${target}`)),
    ...others,
  ];
  return names.flatMap((name) => {
    const [rows, columns] = sizeOf(name, config);
    const prefix = `base_model.model.${name}`;
    return [
      randomTensor(`${prefix}.lora_A.weight`, dtype, [rank, columns], 77),
      randomTensor(`${prefix}.lora_B.weight`, dtype, [rows, rank], 77),
    ];
  });
}

function sizeOf(name: string, config: SampleModel["config"]): [rows: number, columns: number] {
  const number = (key: string): number => Number(config[key]);
  const [hidden, forward] = [number("hidden_size"), number("intermediate_size")];
  const headLength = Number(config["head_dim"] ?? hidden / number("num_attention_heads"));
  const queries = headLength * number("num_attention_heads");
  const keys = headLength * number("num_key_value_heads");
  const sizes: Readonly<Record<string, [number, number]>> = {
    q_proj: [queries, hidden],
    k_proj: [keys, hidden],
    v_proj: [keys, hidden],
    o_proj: [hidden, queries],
    gate_proj: [forward, hidden],
    up_proj: [forward, hidden],
    down_proj: [hidden, forward],
    lm_head: [number("vocab_size"), hidden],
  };
  return sizes[name.split(".").at(-1) ?? ""] ?? [0, 0];
}
