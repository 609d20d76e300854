import assert from "node:assert/strict";
import { test } from "node:test";
import type { GgufHeader, GgufTensor } from "@corral/weights";
import { chooseGpuLayers } from "./gpu-layers.ts";
import { testConfig } from "./testing/test-config.ts";

const mebibyte = 1024 ** 2;

/** Four layers of 100 MiB, an input and an output matrix of 200 MiB each, and 1 KiB of KV cache a cell and layer. */
const header: GgufHeader = {
  version: 3,
  architecture: "llama",
  name: null,
  contextLength: 1024,
  embeddingLength: 512,
  blockCount: 4,
  vocabularySize: 1000,
  fileType: null,
  chatTemplate: null,
  parameterCount: 0,
  metadataTypes: new Map(),
  metadata: new Map<string, number>([
    ["llama.attention.head_count", 4],
    ["llama.attention.head_count_kv", 2],
    ["llama.feed_forward_length", 1024],
  ]),
  tensors: [
    tensor("token_embd.weight", 200),
    tensor("output.weight", 200),
    ...[0, 1, 2, 3].map((layer) => tensor(`blk.${layer}.ffn_up.weight`, 100)),
  ],
  dataOffset: 0,
};

function tensor(name: string, mebibytes: number): GgufTensor {
  return { name, shape: [], type: "Q8_0", offset: 0, bytes: mebibytes * mebibyte };
}

function choose(freeMebibytes: readonly number[], precision: "default" | "reference" = "default"): number {
  const limits = { cell_count: 1024, max_batch_tokens: 64 };
  const config = testConfig("/nowhere.sock", { precision, limits });
  return chooseGpuLayers(
    config,
    header,
    freeMebibytes.map((free) => free * mebibyte),
  );
}

test("all layers go to a GPU that has room for them, the output layer too", () => {
  assert.equal(choose([8192]), 5);
});

test("a smaller GPU gets the output layer and as many of the last layers as fit", () => {
  // 512 MiB stay free, and the scratch memory of a step is between 2 and 3 MiB.
  assert.equal(choose([512 + 3 + 200 + 2 * 101]), 3);
  assert.equal(choose([512 + 3 + 200 + 2 * 100]), 2);
  assert.equal(choose([512 + 2 + 199]), 0);
});

test("without a GPU, and in reference precision, the processor computes every layer", () => {
  assert.equal(choose([]), 0);
  assert.equal(choose([8192], "reference"), 0);
});

test("two GPUs hold more than each of them, less the room that is lost between them", () => {
  const one = 512 + 3 + 360;
  assert.equal(choose([one]), 2);
  assert.equal(choose([one, one]), 4);
  assert.equal(choose([one, 100]), 2);
});
