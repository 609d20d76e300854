// The Hugging Face form of the tiny models converts back to the very weights and tokens that they are served with: what
// transformers generates from that form is recorded, and the runtime's oracle tests compare the served files with it.

import assert from "node:assert/strict";
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { builtInModelsDirectory } from "../built-in.ts";
import { checkGguf, type CheckedGguf } from "../gguf/check.ts";
import { describeGguf } from "../testing/describe-gguf.ts";
import {
  bytesOf,
  writeSafetensors,
  type SampleDtype,
  type SampleTensor,
} from "../testing/sample-safetensors.ts";
import { convertHuggingFaceDirectory } from "./convert-model.ts";

const folder = mkdtempSync(join(tmpdir(), "corral-tiny-form-"));
after(() => rmSync(folder, { recursive: true }));

for (const name of ["corral-tiny-2", "corral-tiny-3"]) {
  describe(name, () => {
    const served = join(builtInModelsDirectory, name, `${name}-f16.gguf`);
    for (const dtype of ["F32", "F16"] as const) {
      test(`its ${dtype} form converts to the served weights and tokens`, async () => {
        const directory = await makeForm(name, served, dtype);
        const target = join(folder, `${name}-${dtype}.gguf`);
        await convertHuggingFaceDirectory(directory, target, { outputType: "f16" });
        const [converted, original] = [target, served].map((path) => describeGguf(readFileSync(path)));
        assert.deepEqual(byName(converted!.tensors), byName(original!.tensors));
        const metadata = new Map(converted!.metadata);
        const tokenKeys = original!.metadata.filter(([key]) =>
          /^tokenizer\.ggml\.(tokens|scores|merges|model|bos_token_id|eos_token_id)$/.test(key),
        );
        assert.ok(tokenKeys.length >= 5);
        for (const [key, digest] of tokenKeys) assert.equal(metadata.get(key), digest, key);
        const [read, known] = [await checkGguf(target), await checkGguf(served)];
        for (const key of [
          "rope.freq_base",
          "attention.head_count",
          "attention.head_count_kv",
          "attention.layer_norm_rms_epsilon",
        ])
          assert.deepEqual(read.metadata.get(`llama.${key}`), known.metadata.get(`llama.${key}`), key);
        assert.equal(read.chatTemplate, known.chatTemplate);
      });
    }
  });
}

function byName<Row extends readonly [string, ...unknown[]]>(rows: readonly Row[]): readonly Row[] {
  return rows.toSorted(([a], [b]) => (a < b ? -1 : 1));
}

/** As `models/training/gguf_to_hf.py` makes it for transformers. */
async function makeForm(name: string, served: string, dtype: SampleDtype): Promise<string> {
  const directory = join(folder, `${name}-${dtype}`);
  mkdirSync(directory);
  for (const file of readdirSync(join(builtInModelsDirectory, name)))
    if (/\.(json|model)$/.test(file))
      copyFileSync(join(builtInModelsDirectory, name, file), join(directory, file));
  const config = JSON.parse(readFileSync(join(directory, "config.json"), "utf8")) as Record<string, number>;
  const gguf = await checkGguf(served);
  const bytes = readFileSync(served);
  const tensors = gguf.tensors.map((tensor) => formOf(tensor, bytes, config, dtype));
  writeSafetensors(directory, tensors, 2);
  writeFileSync(join(directory, "config.json"), JSON.stringify(config));
  return directory;
}

const names: Readonly<Record<string, string>> = {
  token_embd: "model.embed_tokens",
  output_norm: "model.norm",
  output: "lm_head",
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

function formOf(
  tensor: CheckedGguf["tensors"][number],
  file: Buffer,
  config: Readonly<Record<string, number>>,
  dtype: SampleDtype,
): SampleTensor {
  const raw = file.buffer.slice(
    file.byteOffset + tensor.offset,
    file.byteOffset + tensor.offset + tensor.bytes!,
  ) as ArrayBuffer;
  const values = tensor.type === "F16" ? Float32Array.from(new Float16Array(raw)) : new Float32Array(raw);
  const [, layer, part] = /^(?:blk\.(\d+)\.)?(\w+)\.weight$/.exec(tensor.name)!;
  const heads =
    { attn_q: config["num_attention_heads"]!, attn_k: config["num_key_value_heads"]! }[part!] ?? 0;
  const shape = tensor.shape.toReversed();
  // Norms were trained in f32, and lose nothing on their way.
  const kept = shape.length === 1 ? "F32" : dtype;
  const form = heads === 0 ? values : halvesFromPairs(values, shape[0]! / heads, shape[1]!);
  const prefix = layer === undefined ? "" : `model.layers.${layer}.`;
  return { name: `${prefix}${names[part!]}.weight`, dtype: kept, shape, bytes: bytesOf(form, kept) };
}

/** Each head's rows 0, 2, 4, … before 1, 3, 5, …. */
function halvesFromPairs(
  values: Float32Array<ArrayBuffer>,
  headRows: number,
  columns: number,
): Float32Array<ArrayBuffer> {
  const form = new Float32Array(values.length);
  for (let row = 0; row < values.length / columns; row += 1) {
    const inHead = row % headRows;
    const target = row - inHead + (inHead % 2) * (headRows / 2) + Math.floor(inHead / 2);
    form.set(values.subarray(row * columns, (row + 1) * columns), target * columns);
  }
  return form;
}
