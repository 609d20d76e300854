// Names of tensors: Hugging Face's → GGUF's, for the architectures that are converted. Source: llama.cpp v0.5.0,
// gguf-py/gguf/tensor_mapping.py and constants.py (TENSOR_NAMES).

import type { Architecture } from "./architectures.ts";

const outside: Readonly<Record<string, string>> = {
  "model.embed_tokens": "token_embd",
  "model.norm": "output_norm",
  lm_head: "output",
};

const ofLayer: Readonly<Record<string, string>> = {
  input_layernorm: "attn_norm",
  "self_attn.q_proj": "attn_q",
  "self_attn.k_proj": "attn_k",
  "self_attn.v_proj": "attn_v",
  "self_attn.o_proj": "attn_output",
  post_attention_layernorm: "ffn_norm",
  "mlp.gate_proj": "ffn_gate",
  "mlp.up_proj": "ffn_up",
  "mlp.down_proj": "ffn_down",
};

const ofHeads: Readonly<Record<string, string>> = {
  "self_attn.q_norm": "attn_q_norm",
  "self_attn.k_norm": "attn_k_norm",
};

/** "model.layers.3.mlp.up_proj.weight" → "blk.3.ffn_up.weight"; null for a tensor that the architecture does not have. */
export function ggufName(name: string, { normalizesHeads }: Architecture, layerCount: number): string | null {
  const [, base = "", suffix = ""] = /^(.*)\.(weight|bias)$/.exec(name) ?? [];
  if (Object.hasOwn(outside, base)) return `${outside[base]}.${suffix}`;
  const [, layer = "", part = ""] = /^model\.layers\.(\d+)\.(.*)$/.exec(base) ?? [];
  if (layer === "" || Number(layer) >= layerCount) return null;
  const names = normalizesHeads ? { ...ofLayer, ...ofHeads } : ofLayer;
  return Object.hasOwn(names, part) ? `blk.${Number(layer)}.${names[part]}.${suffix}` : null;
}

/** Buffers that some versions of transformers stored; the model computes them. */
export function isComputed(name: string): boolean {
  return /\.(attention\.masked_bias|attention\.bias|rotary_emb\.inv_freq)$/.test(name);
}

/** What a whole model must have, the output matrix aside, which may be the embedding. `layerCount` is bounded by the caller. */
export function requiredNames({ normalizesHeads }: Architecture, layerCount: number): string[] {
  const parts = Object.keys(normalizesHeads ? { ...ofLayer, ...ofHeads } : ofLayer);
  const layers = Array.from({ length: layerCount }, (_, layer) =>
    parts.map((part) => `model.layers.${layer}.${part}.weight`),
  );
  return ["model.embed_tokens.weight", ...layers.flat(), "model.norm.weight"];
}
