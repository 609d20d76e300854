import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { writeSampleAdapter } from "../testing/sample-adapter.ts";
import { checkAdapter, type AdapterBase } from "./adapter.ts";
import { encodeHeader, type PlacedTensor, type WritableValue } from "./writer.ts";

const directory = await mkdtemp(join(tmpdir(), "corral-adapter-check-"));
after(() => rm(directory, { recursive: true, force: true }));
const path = join(directory, "adapter.gguf");

const tensor = (name: string, ...shape: number[]) => ({ name, shape, type: "F16", offset: 0, bytes: 0 });
const model: AdapterBase = {
  architecture: "llama",
  tensors: [
    tensor("token_embd.weight", 64, 300),
    tensor("blk.0.attn_norm.weight", 64),
    tensor("blk.0.attn_q.weight", 64, 96),
    tensor("blk.0.ffn_up_exps.weight", 64, 32, 4),
    tensor("output.weight", 64, 300),
    tensor("position_embd.weight", 64, 128),
  ],
};

const usual: Record<string, WritableValue> = {
  "general.type": { type: "string", value: "adapter" },
  "general.architecture": { type: "string", value: "llama" },
  "adapter.type": { type: "string", value: "lora" },
  "adapter.lora.alpha": { type: "f32", value: 16 },
};
type Shapes = Readonly<Record<string, readonly number[]>>;
const fitting: Shapes = { "blk.0.attn_q.weight.lora_a": [64, 8], "blk.0.attn_q.weight.lora_b": [8, 96] };

/** Checks a file of f32 tensors of these shapes, with some metadata over the usual. */
async function check(
  tensors: Shapes,
  metadata: Record<string, WritableValue | null> = {},
  base = model,
  typeNumber = 0,
) {
  const values = Object.entries({ ...usual, ...metadata }).filter(
    (entry): entry is [string, WritableValue] => entry[1] !== null,
  );
  const placed = Object.entries(tensors).map(([name, shape]): PlacedTensor => {
    const elementCount = shape.reduce((product, length) => product * length, 1);
    return { name, shape, typeNumber, bytes: elementCount * 4 };
  });
  const header = encodeHeader(Object.fromEntries(values), placed);
  const weightBytes = placed.reduce((sum, { bytes }) => sum + Math.ceil(bytes / 32) * 32, 0);
  await writeFile(path, Buffer.concat([header, Buffer.alloc(weightBytes)]));
  return await checkAdapter(path, base);
}

test("an adapter that fits tells its rank and the matrices it changes", async () => {
  const checked = await check({
    ...fitting,
    "output.weight.lora_a": [64, 4],
    "output.weight.lora_b": [4, 300],
    "token_embd.weight.lora_a": [4, 300],
    "token_embd.weight.lora_b": [4, 64],
    "blk.0.ffn_up_exps.weight.lora_a": [64, 2, 4],
    "blk.0.ffn_up_exps.weight.lora_b": [2, 32, 4],
  });
  assert.equal(checked.rank, 8);
  assert.deepEqual(checked.targets, [
    "blk.0.attn_q.weight",
    "output.weight",
    "token_embd.weight",
    "blk.0.ffn_up_exps.weight",
  ]);
  assert.deepEqual(checked.types, ["F32"]);
  assert.equal((await check(fitting, { "adapter.lora.alpha": null })).rank, 8);
});

test("a sample adapter fits the model it was made for", async () => {
  await writeSampleAdapter(path, { ...model, tensors: model.tensors.slice(0, 3) }, { seed: 1, type: "F16" });
  const checked = await checkAdapter(path, model);
  assert.deepEqual(checked.targets, ["blk.0.attn_q.weight"]);
  assert.deepEqual(checked.types, ["F16"]);
});

test("a file that is no LoRA adapter, or a broken one, is unreadable, and says why", async () => {
  const text = (value: string): WritableValue => ({ type: "string", value });
  const cases: [Shapes, Record<string, WritableValue | null>, RegExp][] = [
    [fitting, { "general.type": null }, /general\.type is missing instead of "adapter"/],
    [fitting, { "general.type": text("model") }, /general\.type is "model" instead of "adapter"/],
    // llama.cpp ends the process at a value that is no text where it expects one.
    [fitting, { "general.type": { type: "u32", value: 1 } }, /general\.type is no text/],
    [fitting, { "adapter.type": text("control_vector") }, /adapter\.type is "control_vector"/],
    [fitting, { "adapter.lora.alpha": { type: "u32", value: 16 } }, /alpha is not a finite float32/],
    [fitting, { "adapter.lora.alpha": { type: "f32", value: NaN } }, /alpha is not a finite float32/],
    [{}, {}, /it holds no matrices/],
    [{ "blk.0.attn_q.weight.lora_a": [64, 8] }, {}, /only one of the matrices/],
    [{ ...fitting, "blk.0.attn_q.weight.lora_a": [64] }, {}, /lora_a has the shape \[64\]/],
    [{ ...fitting, "blk.0.attn_q.weight.lora_a": [64, 0] }, {}, /lora_a has the shape \[64, 0\]/],
  ];
  for (const [tensors, metadata, message] of cases)
    await assert.rejects(check(tensors, metadata), { code: "weights_unreadable", message });
  await assert.rejects(check(fitting, {}, model, 26), { message: /is of the type I32; known are F32, F16/ });
  await writeFile(path, "GGUF");
  await assert.rejects(checkAdapter(path, model), { code: "weights_unreadable", message: /ends inside/ });
  await assert.rejects(checkAdapter(join(directory, "none"), model), { code: "weights_missing" });
});

test("an adapter of another model, or one that would be passed over in part, is refused with the tensor's name", async () => {
  const numbers: WritableValue = { type: "numbers", of: "u32", items: [1, 2] };
  const pair = (name: string, a: number[], b: number[]): Shapes => ({
    [`${name}.lora_a`]: a,
    [`${name}.lora_b`]: b,
  });
  const tied = { ...model, tensors: model.tensors.filter(({ name }) => name !== "output.weight") };
  const cases: [Shapes, Record<string, WritableValue | null>, RegExp, AdapterBase?][] = [
    [
      fitting,
      { "general.architecture": { type: "string", value: "qwen2" } },
      /made for the architecture "qwen2"/,
    ],
    [fitting, { "adapter.alora.invocation_tokens": numbers }, /activated LoRA/],
    [{ ...fitting, "blk.0.attn_norm.weight": [64] }, {}, /is a norm, which llama\.cpp would pass over/],
    [{ ...fitting, "blk.0.attn_q.bias": [96] }, {}, /"blk\.0\.attn_q\.bias" is none of a LoRA pair/],
    [pair("blk.1.attn_q.weight", [64, 8], [8, 96]), {}, /no tensor "blk\.1\.attn_q\.weight"/],
    [pair("blk.0.attn_q.weight", [32, 8], [8, 96]), {}, /lora_a has the shape \[32, 8\], and \[64, 8\]/],
    [pair("blk.0.attn_q.weight", [64, 8], [8, 64]), {}, /lora_b has the shape \[8, 64\], and \[8, 96\]/],
    [pair("blk.0.attn_q.weight", [64, 8], [4, 96]), {}, /lora_a has the shape \[64, 8\], and \[64, 4\]/],
    [pair("blk.0.attn_q.weight", [64, 8, 2], [8, 96, 2]), {}, /lora_a has the shape \[64, 8, 2\]/],
    [pair("blk.0.ffn_up_exps.weight", [64, 2, 3], [2, 32, 3]), {}, /and \[64, 2, 4\] is what fits/],
    [pair("blk.0.attn_norm.weight", [64, 1], [1, 1]), {}, /no matrix that an adapter can change/],
    [pair("position_embd.weight", [64, 4], [4, 128]), {}, /no matrix that an adapter can change/],
    [pair("token_embd.weight", [64, 4], [4, 300]), {}, /lora_a has the shape \[64, 4\], and \[4, 300\]/],
    [pair("token_embd.weight", [4, 300], [4, 64]), {}, /output matrix as well/, tied],
  ];
  for (const [tensors, metadata, message, base] of cases)
    await assert.rejects(check(tensors, metadata, base), { code: "weights_unsupported", message });
});
