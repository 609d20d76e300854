import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { gpuLayersThatFit, gpuMarginBytes, layerCountOf, layerNeeds } from "./gpu-layers.ts";
import { readGgufHeader } from "../gguf/header.ts";
import { plainMetadata, sampleGguf, type SampleTensor } from "../gguf/sample-gguf.ts";

const context = { cellCount: 256, slotCount: 4, microBatchTokenCount: 32, cacheElementBytes: 2 };

function headerOf(tensors: readonly SampleTensor[]) {
  const bytes = sampleGguf({
    tensors,
    metadata: {
      ...plainMetadata,
      "llama.attention.head_count": 4,
      "llama.attention.head_count_kv": 2,
      "llama.feed_forward_length": 128,
    },
  });
  return readGgufHeader({
    size: bytes.length,
    read: async (offset, length) => bytes.subarray(offset, offset + length),
  });
}

const tensors: readonly SampleTensor[] = [
  { name: "token_embd.weight", shape: [64, 3], type: 0, bytes: 768 },
  { name: "output.weight", shape: [64, 6], type: 0, bytes: 1536 },
  { name: "output_norm.weight", shape: [64], type: 0, bytes: 256 },
  { name: "blk.0.attn_q.weight", shape: [64, 64], type: 0, bytes: 16_384 },
  { name: "blk.1.attn_q.weight", shape: [64, 64], type: 0, bytes: 16_384 },
  { name: "blk.1.attn_k.weight", shape: [64, 64], type: 1, bytes: 8_192 },
];

test("a layer needs its weights and its part of the KV cache", async () => {
  const header = await headerOf(tensors);
  const needs = layerNeeds(header, context);
  // Two heads of 16 numbers for keys and as many for values, two bytes each.
  const cacheBytes = 256 * 2 * (16 + 16) * 2;
  assert.deepEqual(needs.layerBytes, [16_384 + cacheBytes, 24_576 + cacheBytes]);
  assert.equal(needs.outputBytes, 1536 + 256);
  assert.equal(layerCountOf(header), 3);
});

test("a model that uses its input matrix for the output too has it on the GPU as well", async () => {
  const header = await headerOf(tensors.filter(({ name }) => name !== "output.weight"));
  assert.equal(layerNeeds(header, context).outputBytes, 768 + 256);
});

test("a tensor of a type that is not known counts up to the next one", async () => {
  const unknown = { name: "blk.0.attn_v.weight", shape: [64, 64], type: 999, bytes: 9_984 };
  const header = await headerOf([unknown, ...tensors]);
  const known = layerNeeds(await headerOf(tensors), context);
  assert.equal((layerNeeds(header, context).layerBytes[0] ?? 0) - (known.layerBytes[0] ?? 0), 9_984);
});

test("what is put on GPUs never takes more than they have free", () => {
  const bytes = fc.integer({ min: 1, max: 2 ** 34 });
  fc.assert(
    fc.property(
      fc.array(bytes, { minLength: 1, maxLength: 40 }),
      bytes,
      fc.integer({ min: 0, max: 2 ** 30 }),
      fc.array(bytes, { maxLength: 4 }),
      (layerBytes, outputBytes, scratchBytes, freeBytes) => {
        const count = gpuLayersThatFit({ layerBytes, outputBytes, scratchBytes }, freeBytes);
        const chosen = [outputBytes, ...layerBytes.toReversed()].slice(0, count);
        const used = chosen.reduce((sum, layer) => sum + layer, 0);
        const room = freeBytes.reduce(
          (sum, free) => sum + Math.max(0, free - gpuMarginBytes - scratchBytes),
          0,
        );
        assert.ok(used <= room);
      },
    ),
  );
});
