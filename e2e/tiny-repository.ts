// A tiny model as its Hugging Face repository: sharded safetensors with an index, config and tokenizer, made of the
// committed GGUF. The values are the GGUF's; rows of Q and K go back from pairs to halves, as
// models/training/gguf_to_hf.py has it.

import { copyFile, mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { checkGguf } from "@corral/weights";
import { repository } from "./harness.ts";

export type TinyModel = "corral-tiny-2" | "corral-tiny-3";

interface SmallTensor {
  readonly name: string;
  readonly dtype: "F16" | "F32";
  /** As PyTorch has it: rows first. */
  readonly shape: readonly number[];
  readonly bytes: Buffer;
}

const layerNames: Readonly<Record<string, string>> = {
  attn_norm: "input_layernorm",
  attn_q: "self_attn.q_proj",
  attn_k: "self_attn.k_proj",
  attn_v: "self_attn.v_proj",
  attn_output: "self_attn.o_proj",
  ffn_norm: "post_attention_layernorm",
  ffn_gate: "mlp.gate_proj",
  ffn_up: "mlp.up_proj",
  ffn_down: "mlp.down_proj",
};
const outerNames: Readonly<Record<string, string>> = {
  token_embd: "model.embed_tokens",
  output_norm: "model.norm",
  output: "lm_head",
};
const smallFiles = ["config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json"];

/** Writes the repository's files into `directory` and gives their bytes together. */
export async function writeTinyRepository(
  model: TinyModel,
  directory: string,
  shardCount = 2,
): Promise<number> {
  await mkdir(directory, { recursive: true });
  const source = join(repository, "models", model);
  const names = [...smallFiles, ...(model === "corral-tiny-2" ? ["tokenizer.model"] : [])];
  for (const name of names) await copyFile(join(source, name), join(directory, name));
  const tensors = await readTensors(join(source, `${model}-f16.gguf`), join(source, "config.json"));
  const weightMap: Record<string, string> = {};
  let weightBytes = 0;
  for (let shard = 0; shard < shardCount; shard += 1) {
    const name = `model-${number5(shard + 1)}-of-${number5(shardCount)}.safetensors`;
    const own = tensors.filter((_, index) => index % shardCount === shard);
    for (const tensor of own) {
      weightMap[tensor.name] = name;
      weightBytes += tensor.bytes.length;
    }
    await writeFile(join(directory, name), safetensors(own));
    names.push(name);
  }
  const index = { metadata: { total_size: weightBytes }, weight_map: weightMap };
  await writeFile(join(directory, "model.safetensors.index.json"), JSON.stringify(index, null, 2));
  names.push("model.safetensors.index.json");
  const sizes = await Promise.all(names.map(async (name) => (await stat(join(directory, name))).size));
  return sizes.reduce((sum, size) => sum + size, 0);
}

async function readTensors(path: string, configPath: string): Promise<SmallTensor[]> {
  const { tensors } = await checkGguf(path);
  const config = JSON.parse(await readFile(configPath, "utf8")) as Record<string, number>;
  const file = await readFile(path);
  return tensors.map(({ name, shape, type, offset, bytes }) => {
    if ((type !== "F16" && type !== "F32") || bytes === null) throw new Error(`${name} is ${type}`);
    const heads = { attn_q: "num_attention_heads", attn_k: "num_key_value_heads" };
    const part = /^blk\.\d+\.(attn_q|attn_k)\./.exec(name)?.[1] as keyof typeof heads | undefined;
    const data = file.subarray(offset, offset + bytes);
    const rows = shape.at(-1) ?? 1;
    return {
      name: huggingFaceName(name),
      dtype: type,
      shape: shape.toReversed(),
      bytes: part === undefined ? data : halvesFromPairs(data, rows, config[heads[part]] ?? 1),
    };
  });
}

/** Within each head, row 2i + j of the GGUF is row j · half + i of Hugging Face's. */
function halvesFromPairs(data: Buffer, rowCount: number, headCount: number): Buffer {
  const rowBytes = data.length / rowCount;
  const headRows = rowCount / headCount;
  const out = Buffer.alloc(data.length);
  for (let row = 0; row < rowCount; row += 1) {
    const head = Math.floor(row / headRows);
    const inHead = row % headRows;
    const target = head * headRows + (inHead % 2) * (headRows / 2) + Math.floor(inHead / 2);
    data.copy(out, target * rowBytes, row * rowBytes, (row + 1) * rowBytes);
  }
  return out;
}

function huggingFaceName(name: string): string {
  const base = name.replace(/\.weight$/, "");
  const outer = outerNames[base];
  if (outer !== undefined) return `${outer}.weight`;
  const [, layer = "", part = ""] = base.split(".");
  return `model.layers.${layer}.${layerNames[part] ?? part}.weight`;
}

function safetensors(tensors: readonly SmallTensor[]): Buffer {
  const header: Record<string, unknown> = { __metadata__: { format: "pt" } };
  let offset = 0;
  for (const { name, dtype, shape, bytes } of tensors) {
    header[name] = { dtype, shape, data_offsets: [offset, offset + bytes.length] };
    offset += bytes.length;
  }
  const text = JSON.stringify(header);
  const padded = Buffer.from(text.padEnd(Math.ceil(text.length / 8) * 8));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(padded.length));
  return Buffer.concat([length, padded, ...tensors.map(({ bytes }) => bytes)]);
}

const number5 = (value: number) => String(value).padStart(5, "0");
