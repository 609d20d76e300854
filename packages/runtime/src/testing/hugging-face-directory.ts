// A tiny model of the checkout as the Hugging Face directory that it would have come from: the weights of its GGUF under
// transformers' names, and its own config and tokenizer files.

import { checkGguf, type GgufTensor } from "@corral/weights";
import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { tinyModel, type TinyModelName } from "./tiny-models.ts";

const names: readonly (readonly [gguf: RegExp, huggingFace: string])[] = [
  [/^token_embd\.weight$/, "model.embed_tokens.weight"],
  [/^output_norm\.weight$/, "model.norm.weight"],
  [/^output\.weight$/, "lm_head.weight"],
  [/^blk\.(\d+)\.attn_norm\.weight$/, "model.layers.$1.input_layernorm.weight"],
  [/^blk\.(\d+)\.ffn_norm\.weight$/, "model.layers.$1.post_attention_layernorm.weight"],
  [/^blk\.(\d+)\.attn_output\.weight$/, "model.layers.$1.self_attn.o_proj.weight"],
  [/^blk\.(\d+)\.attn_(\w)\.weight$/, "model.layers.$1.self_attn.$2_proj.weight"],
  [/^blk\.(\d+)\.ffn_(\w+)\.weight$/, "model.layers.$1.mlp.$2_proj.weight"],
];
const headLength = 32;

export async function writeHuggingFaceDirectory(name: TinyModelName, directory: string): Promise<void> {
  const { path } = tinyModel(name);
  mkdirSync(directory, { recursive: true });
  for (const file of readdirSync(dirname(path)))
    if (/\.json$|^tokenizer\.model$/.test(file))
      copyFileSync(join(dirname(path), file), join(directory, file));
  const { tensors } = await checkGguf(path);
  const bytes = readFileSync(path);
  const header: Record<string, { dtype: string; shape: number[]; data_offsets: [number, number] }> = {};
  const pieces: Buffer[] = [];
  let offset = 0;
  for (const tensor of tensors) {
    const [pattern, replacement] = names.find(([known]) => known.test(tensor.name)) ?? [];
    if (pattern === undefined || replacement === undefined) continue;
    const data = weightsOf(tensor, bytes);
    header[tensor.name.replace(pattern, replacement)] = {
      dtype: tensor.type,
      shape: tensor.shape.toReversed(),
      data_offsets: [offset, offset + data.length],
    };
    offset += data.length;
    pieces.push(data);
  }
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  writeFileSync(join(directory, "model.safetensors"), Buffer.concat([length, text, ...pieces]));
}

/** A GGUF has the rows of a head that turn together side by side, transformers half a head apart. */
function weightsOf({ name, shape, offset, bytes }: GgufTensor, file: Buffer): Buffer {
  const data = file.subarray(offset, offset + (bytes ?? 0));
  if (!/attn_[qk]\.weight$/.test(name)) return data;
  const rowCount = shape[1] ?? 1;
  const rowBytes = data.length / rowCount;
  const half = headLength / 2;
  const rows = Array.from({ length: rowCount }, (_, row) => {
    const inHead = row % headLength;
    const from = row - inHead + (inHead % half) * 2 + Math.floor(inHead / half);
    return data.subarray(from * rowBytes, (from + 1) * rowBytes);
  });
  return Buffer.concat(rows);
}
